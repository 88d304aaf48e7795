"""The task `federated_noise`: a gradient with Gaussian noise, by OpenDP (Dwork et al. 2006).

Inputs are base64 of the wire format of a gradient. Options: `rho`, what it may tell in zero-concentrated differential
privacy (Bun and Steinke 2016), `distance`, how far one row can move it, and `nonce`, which makes every call one of its
own.
"""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.errors import Error
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem

# Measurements that are kept.
_KEPT = 16
# Of a scale that a rounding error makes too small.
_SLACK = 1e-9


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per input."""
    release = _measurement(options["rho"], options["distance"])

    def result(text: str) -> str:
        values = np.frombuffer(base64.b64decode(text), dtype="<f8")
        return base64.b64encode(np.asarray(release(values.tolist()), dtype="<f8").tobytes()).decode("ascii")

    return [WorkItem((), lambda _, text=text: result(text)) for text in inputs]  # type: ignore[misc]


@functools.lru_cache(maxsize=_KEPT)
def _measurement(rho: float, distance: float) -> Any:
    from opendp import domains, measurements, metrics
    from opendp.mod import enable_features

    # OpenDP asks who uses mechanisms whose proofs its reviewers have not all signed to say so.
    enable_features("contrib")
    space = domains.vector_domain(domains.atom_domain(T=float, nan=False)), metrics.l2_distance(T=float)
    release: Any = measurements.make_gaussian(*space, scale=distance / math.sqrt(2 * rho) * (1 + _SLACK))
    spent: float = release.map(distance)
    if not spent <= rho:
        raise Error(f"the noise would spend {spent:g}, and {rho:g} was agreed on")
    return release
