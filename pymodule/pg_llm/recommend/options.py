"""Options of a recommender's training, and two constants that training and ranking share."""

from __future__ import annotations

from pg_llm.options import Option

OPTIONS = {
    "dimensions": Option(("recommender",), 64, 8, 512, "length of an item's vector, a multiple of the heads"),
    "layers": Option(("recommender",), 2, 1, 8, "layers of the transformer"),
    "heads": Option(("recommender",), 2, 1, 16, "attention heads of a layer"),
    "max_length": Option(("recommender",), 50, 2, 1000, "latest events of a user that the transformer reads"),
    "dropout": Option(("recommender",), 0.4, 0, 0.9, "share of the activations that training leaves out"),
    "learning_rate": Option(("recommender",), 0.001, 1e-6, 1, "Adam's step"),
    "epochs": Option(("recommender",), 30, 0, 1000, "passes over the events at most; 0 leaves the weights as they are"),
    "patience": Option(("recommender",), 4, 1, 1000, "passes without gain on the last events before it stops"),
    "batch_size": Option(("recommender",), 64, 1, 4096, "sequences of one step"),
    "seed": Option(("recommender",), 0, 0, 2**31, "start of the random numbers"),
}
# Number of latest events whose neighbors are scored, and the score of an item that is no neighbor.
RECENT = 20
EPSILON = 1e-3
