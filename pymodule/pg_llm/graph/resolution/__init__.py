"""Matching of entities: name similarity, evidence of their relations, and constrained clustering."""
