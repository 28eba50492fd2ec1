"""One file per task; each holds TASK. A file whose name starts with `_` is none."""
