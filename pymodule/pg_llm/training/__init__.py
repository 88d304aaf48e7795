"""Training, evaluation and promotion of models on the rows of a query."""
