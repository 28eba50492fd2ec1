"""Many checkpoints on many tasks: what is asked for, what is known of it, in which order it is done."""
