"""What a stream's source may say, by kind. Secrets are never in it: `security` names settings of the worker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pg_llm.errors import InvalidInput

# Formats whose schemas a registry keeps: the worker makes JSON of them.
REGISTERED = ("avro", "protobuf")
FORMATS = ("json", "csv", "text", *REGISTERED)
# Options of each kind: those that must be there, and those that may.
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kafka": ((), ("servers", "topic", "pattern", "format", "registry", "security", "start", "max_bytes")),
    "redis": (("topic",), ("servers", "security", "start", "max_bytes")),
    "nats": (("topic",), ("servers", "format", "security", "start", "max_bytes")),
    "mqtt": (("topic",), ("servers", "format", "security", "max_bytes")),
    "rabbitmq": (("topic",), ("servers", "format", "security", "max_bytes")),
    "table": (("table",), ("events",)),
    "publication": (("publication", "table", "security"), ("events", "max_bytes")),
    "notify": (("channel",), ("format",)),
    "http": (("port",), ("format", "max_bytes", "token")),
}
_BROKERS = ("kafka", "redis", "nats", "mqtt", "rabbitmq")
# Those that keep what was read, from any offset on.
LOGS = ("kafka", "redis", "nats")
STARTS = ("earliest", "latest")
EVENTS = ("insert", "update", "delete")
# The names of settings in a worker's environment.
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
# A record larger than this is a dead letter without being read; the option `max_bytes` says otherwise.
MAX_BYTES = 10_000_000
_MOST_BYTES = 100_000_000
_LONGEST_TOPIC = 249
_EXAMPLE = """Write source => '{"kind": "kafka", "servers": "broker:9092", "topic": "payment", "format": "json"}'."""


def checked(source: Any) -> dict[str, Any]:
    """The source, with its defaults. Raises InvalidInput."""
    if not isinstance(source, dict):
        raise InvalidInput("source must be a JSON object", hint=_EXAMPLE)
    kind = source.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput(f"source has the kind {kind!r}", hint=f"Use one of: {', '.join(KINDS)}. {_EXAMPLE}")
    needed, possible = KINDS[kind]
    options = {name: value for name, value in source.items() if name != "kind" and value is not None}
    for name in needed:
        if name not in options:
            raise InvalidInput(f'a source of the kind {kind} needs "{name}"', hint=_EXAMPLE)
    for name, value in options.items():
        if name not in needed + possible:
            known = ", ".join(needed + possible)
            raise InvalidInput(f'a source of the kind {kind} has no "{name}"', hint=f"It has: {known}.")
        if name not in ("port", "max_bytes", "events") and (not isinstance(value, str) or not value.strip()):
            raise InvalidInput(f'"{name}" in source must be a text', hint=_EXAMPLE)
    _check_values(kind, options)
    if kind in _BROKERS:
        _check_brokers(kind, options)
    defaults: dict[str, Any] = {"format": "json"} if "format" in possible else {}
    if "events" in possible:
        defaults = {"events": ["insert", "update"]}
    return {"kind": kind, **defaults, **options}


def checked_receiver(topic: str, receiver: Any) -> dict[str, Any]:
    """Where a publication goes: brokers by address or by the name of settings, and the topic. Raises InvalidInput."""
    hint = """Write "to" => '{"servers": "broker:9092"}', or '{"security": "PROD"}'."""
    if not isinstance(receiver, dict) or not set(receiver) <= {"servers", "security", "transactional"}:
        raise InvalidInput('"to" must be a JSON object with the brokers', hint=hint)
    if not 0 < len(topic.encode()) <= _LONGEST_TOPIC:
        raise InvalidInput(f"topic must have 1 to {_LONGEST_TOPIC} bytes")
    if not isinstance(receiver.get("transactional", False), bool):
        raise InvalidInput('"transactional" in "to" must be true or false', hint=hint)
    brokers = {name: receiver[name] for name in ("servers", "security") if receiver.get(name) is not None}
    if len(brokers) != 1 or not all(isinstance(value, str) and value.strip() for value in brokers.values()):
        raise InvalidInput('"to" needs either "servers" or "security"', hint=hint)
    _check_values("kafka", brokers)
    return {"topic": topic, **brokers, "transactional": receiver.get("transactional", False)}


def _check_values(kind: str, options: Mapping[str, Any]) -> None:
    format_ = options.get("format", "json")
    if format_ not in FORMATS:
        raise InvalidInput(f"source has the format {format_!r}", hint=f"Use one of: {', '.join(FORMATS)}.")
    if (format_ in REGISTERED) != ("registry" in options):
        raise InvalidInput(
            'the formats avro and protobuf need a "registry", and no other one takes it',
            hint="It is the name of settings in the worker's environment: PG_LLM_REGISTRY_name.",
        )
    for name in ("security", "token", "registry"):
        if name in options and not _NAME.fullmatch(options[name]):
            raise InvalidInput(
                f'"{name}" is the name of a setting in the worker\'s environment, in capital letters',
                hint="The secret itself is in no table.",
            )
    for name, most in (("port", 65535), ("max_bytes", _MOST_BYTES)):
        least = 1024
        value = options.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(f'"{name}" in source must be a whole number from {least} to {most}')
    if "start" in options and options["start"] not in STARTS:
        raise InvalidInput(f"start is {options['start']!r}", hint=f"Use one of: {', '.join(STARTS)}.")
    events = options.get("events", ["insert"])
    if not isinstance(events, list) or not events or not all(event in EVENTS for event in events):
        raise InvalidInput('"events" in source must be a list', hint=f"Of these: {', '.join(EVENTS)}.")
    if kind == "notify" and len(str(options["channel"]).encode()) > 63:
        raise InvalidInput("a channel has at most 63 bytes")


def _check_brokers(kind: str, options: Mapping[str, Any]) -> None:
    if ("topic" in options) == ("pattern" in options):
        raise InvalidInput('a source of the kind kafka needs either "topic" or "pattern"', hint=_EXAMPLE)
    # With credentials for whoever answers there: so the servers are named where these are.
    if ("servers" in options) == ("security" in options):
        raise InvalidInput(
            f'a source of the kind {kind} needs either "servers" or "security"',
            hint='Where "security" names settings of the worker, the address is one of these.',
        )
    if "pattern" in options:
        try:
            re.compile(options["pattern"])
        except re.error as error:
            raise InvalidInput(f"pattern is no regular expression: {error}") from None
