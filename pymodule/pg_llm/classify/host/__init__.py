"""Classification and entity recognition where the models are, one module per kind of model."""
