"""One file per metric; each holds METRIC. A file whose name starts with `_` is none."""
