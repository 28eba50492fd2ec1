"""Across models and data sets: how zero-shot accuracy and the k* structure of the embeddings go together."""
