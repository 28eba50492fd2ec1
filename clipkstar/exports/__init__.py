"""Results as other programs read them: model cards, CLIP_benchmark's table, CSV, parquet."""
