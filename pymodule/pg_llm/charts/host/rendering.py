"""Render charts: Vega-Lite specifications to SVG, or to PNG in base64; nothing is fetched."""

from __future__ import annotations

import base64
import importlib.resources
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process

# The Vega-Lite version of the specifications.
_VERSION = "5.21"
_FONTS = ("manimgx_fonts", "noto_cjk_sans_otc")
# Properties that could make the renderer read external data.
_REFERENCES = {"data", "datasets", "url", "href"}


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """Option `format` is svg or png; `scale` is the number of PNG pixels per unit."""
    how = options["format"], float(options["scale"])
    return [WorkItem((), lambda _, text=text: worker_process.call("chart", text, *how)) for text in inputs]  # type: ignore[misc]


def run_in_worker(text: str, format: str, scale: float) -> str:
    """Render one chart; in a child process, as the JavaScript engine holds the GIL while it draws."""
    spec = json.loads(text)
    _check(spec)
    try:
        if format == "svg":
            return str(_renderer().vegalite_to_svg(spec, vl_version=_VERSION, allowed_base_urls=[]))
        image = _renderer().vegalite_to_png(spec, vl_version=_VERSION, scale=scale, allowed_base_urls=[])
    except ValueError as error:
        raise InvalidInput(f"the chart cannot be drawn: {str(error).splitlines()[0]}") from error
    return base64.b64encode(image).decode("ascii")


def _check(spec: dict[str, Any]) -> None:
    """Raises InvalidInput for a specification that references external resources."""
    hint = "Give data.values, and neither addresses nor images."
    if spec.get("data", {}).keys() - {"values"}:
        raise InvalidInput("a chart holds its own data", hint=hint)
    pending: list[Any] = [{name: value for name, value in spec.items() if name != "data"}]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        elif isinstance(part, dict):
            pending += part.values()
            if _REFERENCES & part.keys() or "image" in (part.get("mark"), part.get("type")):
                raise InvalidInput("a chart refers to nothing outside itself", hint=hint)


@cache
def _renderer() -> Any:
    import vl_convert

    for package in _FONTS:
        vl_convert.register_font_directory(str(importlib.resources.files(package)))
    return vl_convert
