"""Semantic types: what a value or a column is, its parsers, and errors by kind."""
