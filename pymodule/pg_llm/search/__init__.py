"""Embeddings, semantic indexes and search over them."""
