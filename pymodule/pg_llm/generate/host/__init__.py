"""Generation and extraction where the models are."""
