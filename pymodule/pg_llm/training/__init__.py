"""Training: models that learn from rows, in a process of their own that may be killed at any time."""
