"""Probabilistic record linkage: blocking, comparison by semantic type, Fellegi-Sunter weights, clustering."""
