"""Personal data replaced in texts and JSON, pseudonyms of single values, and both revealed to who may."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.privacy import finding, keys, kinds

METHODS = ("label", "mask", "remove", "generalize", "hash", "pseudonym", "fake", "shift")
_WITH_KEY = ("hash", "pseudonym", "fake", "shift")
# Levels of a JSON value that are walked through.
_DEEPEST = 500


class Redactor:
    """What is redacted, and how: the options of the SQL functions, checked once."""

    def __init__(
        self,
        db: Connection,
        wanted: Sequence[str | None] | None,
        method: str | None,
        key: str | None,
        subject: str | None,
        language: str | None,
        model: str | None,
    ) -> None:
        self._db, self._kinds, self._language, self._model = db, kinds.checked(wanted), language, model
        kinds.languages(language)
        self._method = arguments.choice("method", method, METHODS)
        if self._method == "shift":
            if subject is None:
                raise InvalidInput("method shift needs a subject", hint="Write subject => what tells the person.")
            if wanted is None:
                self._kinds.append("date")
        self._options: dict[str, Any] = {"method": self._method, "subject": subject, "language": language}
        self._options["key"] = keys.find(db, key) if key is not None or self._method in _WITH_KEY else None

    def texts(self, inputs: Sequence[str | None], contexts: Sequence[str] | None = None) -> list[str | None]:
        """The texts with what is personal in them replaced; None for NULL."""
        given = [text for text in inputs if text is not None]
        found = finding.find(self._db, given, self._kinds, self._language, self._model, contexts)
        work = [
            json.dumps([text, [each[:3] for each in of_text]]) for text, of_text in zip(given, found, strict=True)
        ]
        redacted = models.run_without_model(self._db, "redaction", work, **self._options)
        return [text for _, text in arguments.zip_with_nulls(inputs, redacted)]

    def json(self, value: Any) -> Any:
        """The JSON value with its texts redacted; what a key is called speaks for what stands under it."""
        found = list(_texts(value, "", 0))
        redacted = iter(self.texts([text for _, text in found], [name for name, _ in found]))
        return _replaced(value, redacted)


def _texts(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value with the key that it stands under."""
    if depth > _DEEPEST:
        raise InvalidInput(f"input is nested more than {_DEEPEST} levels deep")
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, name, depth + 1)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, key, depth + 1)


def _replaced(value: Any, texts: Iterator[str | None]) -> Any:
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, list):
        return [_replaced(each, texts) for each in value]
    if isinstance(value, dict):
        return {key: _replaced(each, texts) for key, each in value.items()}
    return value


def pseudonymize(db: Connection, value: str, kind: str, key: str | None, subject: str | None) -> str:
    """The pseudonym of a value as a whole: digits for digits, a shifted day for a day, a token for all else."""
    options = _value_options(db, kind, key, subject, "write")
    (result,) = models.run_without_model(db, "pseudonym", [value], reverse=False, **options)
    return str(result)


def reveal(db: Connection, text: str, key: str | None, kind: str | None, subject: str | None) -> str:
    """The text with its pseudonyms replaced by what they stand for, or the value that one stands for; it is logged."""
    if kind is None:
        options: dict[str, Any] = {"key": keys.find(db, key, "reveal"), "kind": None, "subject": None}
    else:
        options = _value_options(db, kind, key, subject, "reveal")
    (result,) = models.run_without_model(db, "pseudonym", [text], reverse=True, **options)
    role = db.rows("SELECT current_user::text AS role, session_user::text AS login")[0]
    db.log(
        f"pg_llm: key {json.dumps(options['key']['name'])} was used to reveal {'a text' if kind is None else kind}"
        f" by the role {json.dumps(role['role'])}, logged in as {json.dumps(role['login'])}"
    )
    return str(result)


def _value_options(db: Connection, kind: str, key: str | None, subject: str | None, use: str) -> dict[str, Any]:
    arguments.choice("kind of personal data", kind, kinds.DESCRIPTIONS)
    return {"key": keys.find(db, key, use), "kind": kind, "subject": subject}
