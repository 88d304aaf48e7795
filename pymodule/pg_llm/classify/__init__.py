"""Text classification, tagging, named-entity recognition, and votes of several models."""
