"""What runs where the models are: gradients of a peer's rows, and the files of the model that was learnt."""
