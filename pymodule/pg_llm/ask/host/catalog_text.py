"""A semantic layer as YAML: a text becomes JSON, and JSON a text.

Option `purpose` is `read` or `write`. All scalars that are read are texts, so that `no` stays a word. Aliases are
refused, since a short text with them may stand for a huge one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process

_LONGEST = 1 << 20
_HINT = "llm_catalog_export() shows what such a text looks like."


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One text per input."""
    purpose = options["purpose"]
    return [WorkItem((), lambda _, text=text: worker_process.call("catalog_text", text, purpose)) for text in inputs]  # type: ignore[misc]


def run_in_worker(text: str, purpose: str) -> str:
    """Read or write one text; in a child process, as a long one takes the interpreter for long."""
    return _written(json.loads(text)) if purpose == "write" else json.dumps(_read(text))


def _read(text: str) -> Any:
    import yaml

    if len(text) > _LONGEST:
        raise InvalidInput(f"the text is longer than {_LONGEST} characters", hint="Import it in parts.")
    try:
        return _value(yaml.compose(text, Loader=yaml.CBaseLoader), set())
    except yaml.YAMLError as error:
        raise InvalidInput(f"the text is no YAML: {' '.join(str(error).split())[:300]}", hint=_HINT) from error
    except RecursionError:
        raise InvalidInput("the text is nested too deeply", hint=_HINT) from None


def _value(node: Any, seen: set[int]) -> Any:
    """Texts, lists and mappings of a YAML node; an alias is a node that was seen before."""
    if node is None or node.id == "scalar":
        return node and node.value
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise InvalidInput(f"what begins at line {line} has an alias (*name), which is not read", hint=_HINT)
    seen.add(id(node))
    if node.id == "sequence":
        return [_value(item, seen) for item in node.value]
    entries: dict[str, Any] = {}
    for key, value in node.value:
        if key.id != "scalar" or key.value in entries:
            what = f'"{key.value[:100]}" twice' if key.id == "scalar" else "a list where a name should be"
            raise InvalidInput(f"what begins at line {line} has {what}", hint=_HINT)
        entries[key.value] = _value(value, seen)
    return entries


def _written(contents: Any) -> str:
    import yaml

    return str(yaml.serialize(_node(contents), Dumper=yaml.SafeDumper, allow_unicode=True, width=100))


def _node(value: Any) -> Any:
    """The YAML node of texts, lists and mappings; a text of several lines is a block."""
    import yaml

    if isinstance(value, dict):
        entries = [(_node(key), _node(each)) for key, each in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", entries, flow_style=False)
    if isinstance(value, list):
        flat = all(isinstance(each, str) for each in value)
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(each) for each in value], flow_style=flat)
    return yaml.ScalarNode("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)
