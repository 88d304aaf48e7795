"""Trainers: heads on embeddings, fine-tuning, self-training, label errors."""
