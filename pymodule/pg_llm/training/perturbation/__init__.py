"""Perturbations of texts as they occur and as they are contrived: for tests of robustness and for training rows."""
