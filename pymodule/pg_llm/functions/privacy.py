"""SQL: privacy: personal data found, redacted, pseudonymised under a key, and revealed to who may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.privacy import (
    anonymity,
    erasure,
    finding,
    generalization,
    keys,
    kinds,
    masked_view,
    model_encryption,
    redaction,
    scanning,
)


@sql_function
def llm_find_personal(
    db: Connection, input: str | None, kinds: list[str] | None, language: str | None, model: str | None
) -> list[dict[str, Any]]:
    """The personal data in a text: what kind it is, where it stands, how sure that is, and what found it."""
    return [row for _, row in _found(db, [input], kinds, language, model)]


@sql_function
def llm_find_personal_batch(
    db: Connection, inputs: list[str | None] | None, kinds: list[str] | None, language: str | None, model: str | None
) -> list[dict[str, Any]]:
    """The personal data in each text, with the text's position from 1."""
    found = _found(db, arguments.texts(inputs), kinds, language, model)
    return [{"ordinality": position, **row} for position, row in found]


def _found(
    db: Connection, inputs: list[str | None], wanted: list[str] | None, language: str | None, model: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    positions = [position for position, text in enumerate(inputs, 1) if text is not None]
    texts = [text for text in inputs if text is not None]
    found = finding.find(db, texts, kinds.checked(wanted), language, model)
    for position, text, of_text in zip(positions, texts, found, strict=True):
        for kind, start, end, score, recognizer in of_text:
            row = {"kind": kind, "text": text[start:end], "start_pos": start + 1, "end_pos": end + 1, "score": score}
            yield position, {**row, "recognizer": recognizer}


@sql_function
def llm_scan_personal(
    db: Connection,
    target: str | None,
    schema: str | None,
    sample: int | None,
    kinds: list[str] | None,
    model: str | None,
) -> list[dict[str, Any]]:
    """The columns of a table, or of all tables of a schema, that hold personal data, by a sample of their rows."""
    return scanning.scan(db, target, schema, sample, kinds, model)


@sql_function
def llm_redact(
    db: Connection,
    input: str | None,
    kinds: list[str] | None,
    method: str | None,
    key: str | None,
    subject: str | None,
    language: str | None,
    model: str | None,
) -> str | None:
    """The text with its personal data replaced: by labels, stars, hashes, pseudonyms, fakes or coarser values."""
    return redaction.Redactor(db, kinds, method, key, subject, language, model).texts([input])[0]


@sql_function
def llm_redact_batch(
    db: Connection,
    inputs: list[str | None] | None,
    kinds: list[str] | None,
    method: str | None,
    key: str | None,
    subject: str | None,
    language: str | None,
    model: str | None,
) -> list[dict[str, Any]]:
    """Each text with its personal data replaced, and its position from 1."""
    redacted = redaction.Redactor(db, kinds, method, key, subject, language, model).texts(arguments.texts(inputs))
    return [{"ordinality": position, "redacted": text} for position, text in enumerate(redacted, 1)]


@sql_function
def llm_redact_json(
    db: Connection,
    input: str | None,
    kinds: list[str] | None,
    method: str | None,
    key: str | None,
    subject: str | None,
    language: str | None,
    model: str | None,
) -> str | None:
    """JSON with the personal data in its texts replaced; the key that a text stands under says what it is."""
    redactor = redaction.Redactor(db, kinds, method, key, subject, language, model)
    return None if input is None else redactor.json(input)


@sql_function
def llm_pseudonymize(
    db: Connection, input: str | None, kind: str | None, key: str | None, subject: str | None
) -> str | None:
    """The pseudonym of a value, the same for the same value under a key: digits for digits, a day for a day, else a token."""  # noqa: E501
    kind = arguments.required("kind", kind)
    return redaction.pseudonymize(db, input, kind, key, subject)


@sql_function
def llm_reveal(db: Connection, input: str | None, key: str | None, kind: str | None, subject: str | None) -> str | None:
    """The text with its pseudonyms read back, or the value of one of that kind; the server's log says who did so."""
    return redaction.reveal(db, input, key, kind, subject)


@sql_function
def llm_register_key(
    db: Connection,
    name: str | None,
    source: str | None,
    writers: list[str | None] | None,
    revealers: list[str | None] | None,
) -> str:
    """Give a key of pseudonyms a name, and say which roles may write with it and read back; returns its fingerprint."""
    name, source = arguments.required("name", name), arguments.required("source", source)
    return keys.register(db, name, source, writers or [], revealers or [])


@sql_function
def llm_drop_key(db: Connection, name: str | None) -> None:
    """Forget the name of a key; the key itself stays where it is."""
    keys.drop(db, arguments.required("name", name))


@sql_function
def llm_encrypt_model_files(db: Connection, old_key: str | None) -> list[dict[str, str]]:
    """Encrypt the files of trained models under the key that llm.model_file_key names, or wrap their data keys anew."""
    return model_encryption.encrypt(db, old_key)


@sql_function
def k_anonymity(db: Connection, target: str | None, quasi_identifiers: list[str | None] | None) -> list[dict[str, Any]]:
    """How many rows at least share each combination of these columns' values, and how many combinations there are."""
    return [anonymity.k(db, arguments.required("target", target), quasi_identifiers)]


@sql_function
def llm_mask(
    db: Connection, target: str | None, policy: str | None, roles: list[str | None] | None, name: str | None
) -> str:
    """Make a view of a table that shows columns in plain to members of some roles, and masked to all others; returns its name."""  # noqa: E501
    return masked_view.create(db, target, policy, roles, name)


@sql_function
def llm_where_is(
    db: Connection, target: str | None, key: str | None, terms: list[str | None] | None
) -> list[dict[str, Any]]:
    """What is kept of a person beside the person's row: each place, how much it keeps, and what to know about it."""
    return erasure.where_is(db, target, key, terms)


@sql_function
def llm_erase(
    db: Connection, target: str | None, key: str | None, terms: list[str | None] | None
) -> list[dict[str, Any]]:
    """Delete what is kept of a person beside the person's row, and say what is left: definitions, trained models."""
    return erasure.erase(db, target, key, terms)


@sql_function
def l_diversity(
    db: Connection, target: str | None, quasi_identifiers: list[str | None] | None, sensitive: str | None
) -> list[dict[str, Any]]:
    """How many values of a sensitive column each combination of these columns' values has at least."""
    given = arguments.required("target", target), quasi_identifiers, arguments.required("sensitive", sensitive)
    return [anonymity.l_diversity(db, *given)]


@sql_function
def k_anonymity_proposal(
    db: Connection, target: str | None, quasi_identifiers: list[str | None] | None, wanted: int | None
) -> list[dict[str, Any]]:
    """How coarse to show these columns, so that each combination of their values is that of so many rows."""
    return generalization.propose(db, arguments.required("target", target), quasi_identifiers, wanted)
