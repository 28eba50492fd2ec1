"""Data sets: where they are, how they are read, what their classes are called."""
