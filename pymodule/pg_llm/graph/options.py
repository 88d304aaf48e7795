"""Methods and options of the training for link prediction."""

from __future__ import annotations

from pg_llm.options import Option

# The first is the default.
METHODS = ("complex", "rotate", "distmult", "transe")
# Methods whose scores are products of the vectors; those of the others are distances.
_BILINEAR = ("complex", "distmult")
OPTIONS = {
    "validation": Option(METHODS, 0.1, 0, 0.5, "share of the relations that is kept back to measure on"),
    "dimensions": Option(METHODS, 100, 4, 1024, "numbers of a vector, complex ones for complex and rotate"),
    "learning_rate": Option(METHODS, 0.01, 1e-6, 1, "Adam's step"),
    "regularization": Option(_BILINEAR, 0.01, 0, 10, "weight of the vectors' size, by its third power"),
    "epochs": Option(METHODS, 150, 1, 10000, "passes over the relations at most"),
    "patience": Option(METHODS, 20, 1, 10000, "passes without gain on the relations kept back before it stops"),
    "batch_size": Option(METHODS, 512, 1, 65536, "relations of one step"),
    "seed": Option(METHODS, 0, 0, 2**31, "start of the random numbers"),
}
