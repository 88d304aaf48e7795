"""Personal data replaced in texts and JSON, pseudonyms of single values, and both revealed to who may."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.privacy import finding, json_texts, keys, kinds

METHODS = ("label", "mask", "remove", "generalize", "hash", "pseudonym", "fake", "shift")
_WITH_KEY = ("hash", "pseudonym", "fake", "shift")
# Characters of a key that are read beside each text under it: a long one before many texts would fill the memory.
_LONGEST_KEY = 100


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
        work = [json.dumps([text, [each[:3] for each in of_text]]) for text, of_text in zip(given, found, strict=True)]
        redacted = models.run_without_model(self._db, "redaction", work, **self._options)
        return [text for _, text in arguments.zip_with_nulls(inputs, redacted)]

    def json(self, given: str) -> str:
        """The JSON with its texts redacted; what a key is called speaks for what stands under it."""
        texts = list(json_texts.find(given))
        redacted = self.texts(
            [each.text for each in texts], [each.key[:_LONGEST_KEY].replace("_", " ") for each in texts]
        )
        return json_texts.replace(given, texts, redacted)


def pseudonymize(db: Connection, value: str | None, kind: str, key: str | None, subject: str | None) -> str | None:
    """The pseudonym of a value as a whole: digits for digits, a shifted day for a day, a token for all else."""
    options = _value_options(db, kind, key, subject, "write")
    if not value:
        return value
    (result,) = models.run_without_model(db, "pseudonym", [value], reverse=False, **options)
    return str(result)


def reveal(db: Connection, text: str | None, key: str | None, kind: str | None, subject: str | None) -> str | None:
    """The text with its pseudonyms replaced by what they stand for, or the value that one stands for; it is logged."""
    options = _value_options(db, kind, key, subject, "reveal")
    if not text:
        return text
    # Results are remembered by what was asked: what a key that is gone by now once revealed is not to be had again.
    nonce = secrets.token_hex(8)
    (result,) = models.run_without_model(db, "pseudonym", [text], reverse=True, nonce=nonce, **options)
    role = db.rows("SELECT current_user::text AS role, session_user::text AS login")[0]
    db.log(
        f"pg_llm: key {json.dumps(options['key']['name'])} was used to reveal {'a text' if kind is None else kind}"
        f" by the role {json.dumps(role['role'])}, logged in as {json.dumps(role['login'])}"
    )
    return str(result)


def _value_options(db: Connection, kind: str | None, key: str | None, subject: str | None, use: str) -> dict[str, Any]:
    if kind is not None:
        arguments.choice("kind of personal data", kind, kinds.DESCRIPTIONS)
    return {"key": keys.find(db, key, use), "kind": kind, "subject": subject}
