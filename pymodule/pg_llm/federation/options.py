"""Options of federated training with their ranges: those that a peer agrees to, and those of whoever coordinates."""

from __future__ import annotations

from pg_llm.options import Option

AGREEMENT = {
    "validation": Option(("agreement",), 0.2, 0, 0.9, "share of the rows kept back to measure on; none with epsilon"),
    "clip": Option(("agreement",), 1.0, 0.001, 2, "longest gradient of one row, where epsilon is given"),
    "epsilon": Option(("agreement",), 0.0, 0, 100, "what all rounds together may tell of one row; 0 adds no noise"),
    "delta": Option(("agreement",), 1e-6, 1e-12, 0.01, "how likely more than epsilon may be told of one row"),
}
FEDERATION = {
    "strength": Option(("federation",), 10.0, 0.001, 1000, "inverse strength of the regularisation"),
    "timeout": Option(("federation",), 600.0, 1, 86400, "seconds that a peer has for one round"),
    "least_peers": Option(("federation",), 2, 2, 1000, "peers that must stay to the end"),
}
# How the gradients of the peers become one: the mean over all rows, the median of the peers for each coordinate, or the
# mean of which only the sum over all peers is told.
METHODS = ("mean", "median", "secure")
