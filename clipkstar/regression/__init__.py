"""The gate: whether a candidate is worse than its baseline on the same images, with the evidence."""
