"""Where a sweep runs: on this machine, or on a Ray cluster."""
