"""What finds personal data in texts before they leave the server; the topic `privacy` has the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pg_llm.models.spec import ModelSpec

# Kind, start and end of what is personal in each text, in order and without overlaps.
Find = Callable[[Sequence[str]], Sequence[Sequence[tuple[str, int, int]]]]
# What finds these kinds (None: all that tell who somebody is) by the models of these names.
Finder = Callable[[Sequence[str] | None, dict[str, ModelSpec]], Find]
