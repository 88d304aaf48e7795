"""What of this topic runs where the models are."""
