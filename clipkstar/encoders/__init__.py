"""One file per family of encoders; each holds FAMILY. A file whose name starts with `_` is none."""
