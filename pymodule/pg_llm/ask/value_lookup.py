"""The values of text columns that a question names, looked up in the rows when the question is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pg_llm.ask.grammar import chinese, forms, lexicon, names, places
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Column, Schema, Table
from pg_llm.ask.schema_reader import Lookup, first_rows
from pg_llm.database.column_types import as_text
from pg_llm.database.connection import Connection

# Values found in one table.
_MOST_VALUES = 60
_LONGEST_VALUE = 100
# How sure a value is that is named by another name, by a form of it, by one plain word of it.
_PLACE, _FORM, _PLAIN = 0.97, 0.9, 0.9
# Of the values of a column of codes so many are codes.
_CODES = 0.5

Texts = Sequence[tuple[int, Column]]


def values(db: Connection, question: str, of: Schema, lookup: Lookup) -> list[ValueMatch]:
    """The values of text columns that the question names, wholly, by another name or by a word of theirs."""
    said = question[:2000]
    capital = _name_parts(said)
    plain = [span for span in forms.parts(said, names.Variants(of).like) if said[slice(*span)].lower() not in capital]
    found: list[ValueMatch] = []
    for place, table in enumerate(of.tables):
        texts = [(n, column) for n, column in enumerate(table.columns) if column.kind == "text"]
        if texts:
            found += _values(db, lookup, said, capital, place, table, texts)
            found += _plain_parts(db, lookup, said, plain, place, table, texts) if plain else ()
    return found


def _name_parts(question: str) -> list[str]:
    """Words that may be a part of a value: those in quotes and those with a capital inside a sentence."""
    quoted = [
        text
        for pair in re.findall(r"""["\u201c]([^"\u201d]{2,100})["\u201d]|(?<!\w)'([^']{2,100})'(?!\w)""", question)
        for text in pair
        if text
    ]
    rest = re.sub(r"""["\u201c][^"\u201d]{2,100}["\u201d]""", " ", question)
    capital = [
        match[0]
        for match in re.finditer(r"\b[A-Z][\w'-]*(?: [A-Z][\w'-]*)*", _without_first_words(rest))
        if len(match[0]) > 2 or re.search(r"\d", match[0])
    ]
    return list(dict.fromkeys(text.lower().removesuffix("'s") for text in (*quoted, *capital)))[:20]


def _without_first_words(question: str) -> str:
    """Blanks where words stand that have a capital only as they begin a sentence."""
    return re.sub(r"(^|[.?!])(\W{0,9}+[A-Z][\w'-]*)", lambda match: match[1] + " ." * (len(match[2]) // 2), question)


def _values(
    db: Connection, lookup: Lookup, question: str, parts: Sequence[str], place: int, table: Table, texts: Texts
) -> Iterable[ValueMatch]:
    lower = question.lower()
    named = list(places.said(question))
    held = {each for _, its, _, _ in named for each in its}
    bases = forms.bases(question)
    rows = _named(db, lookup, lower, parts, held, bases, table, texts)
    kinds = _kinds(db, lookup, table, texts) if any(row["value"].lower() in held for row in rows) else {}
    for row in rows:
        value, ref = row["value"].lower(), (place, row["place"])
        said = [value] if row["whole"] else [part for part in parts if _begins_word(part, value)]
        for match in (match for text in said for match in re.finditer(re.escape(text), lower)):
            if _bounded(lower, *match.span()):
                yield ValueMatch(ref, row["value"], *match.span(), row["whole"])
        for short in (_done(value), lexicon.SHORT_VALUES.get(value, "(?!)")):
            for match in re.finditer(short, lower):
                yield ValueMatch(ref, row["value"], *match.span(), whole=True)
        for kind, its, start, end in named:
            if value in its and value != lower[start:end] and (len(value) > 3 or kind in kinds.get(row["place"], ())):
                yield ValueMatch(ref, row["value"], start, end, True, _PLACE)
        for span in bases.get(forms.base(value), ()):
            if value != lower[slice(*span)]:
                yield ValueMatch(ref, row["value"], *span, True, _FORM)


def _named(
    db: Connection,
    lookup: Lookup,
    question: str,
    parts: Sequence[str],
    held: Iterable[str],
    bases: Iterable[str],
    table: Table,
    texts: Texts,
) -> list[dict[str, Any]]:
    """The values of a table that the question, in small letters, may name; `whole` are those that it has in it."""
    short = [value for value, said in lexicon.SHORT_VALUES.items() if re.search(said, question)]
    return lookup.rows(
        f"""
        SELECT DISTINCT c.place, c.value, strpos($1, lower(c.value)) > 0 AS whole
        FROM {_rows(texts)}
        WHERE c.value <> '' AND length(c.value) <= {_LONGEST_VALUE} AND (
            strpos($1, lower(c.value)) > 0 OR lower(c.value) = ANY($3)
            OR c.value LIKE '已__%' AND strpos($1, substr(lower(c.value), 2)) > 0
            OR cardinality($2) > 0 AND EXISTS (
                SELECT FROM unnest($2) AS p (part) WHERE strpos(lower(c.value), p.part) > 0
            )
            OR lower(c.value) ^@ ANY($4) AND EXISTS (
                SELECT FROM unnest($4) AS b (base)
                WHERE starts_with(lower(c.value), b.base) AND length(c.value) <= length(b.base) + 4
            )
        )
        ORDER BY whole DESC, c.place, c.value LIMIT {_MOST_VALUES}
        """,
        table.oid,
        ("text", "text[]", "text[]", "text[]"),
        (question, list(parts), [*short, *held], list(bases)),
    )


def _done(value: str) -> str:
    """How a question says in Chinese what is done: 取消 for 已取消, but not behind a word that denies it."""
    return rf"(?<![已未没不待]){re.escape(value[1:])}" if value[0] == "已" and len(value) > 2 else "(?!)"


def _rows(texts: Texts) -> str:
    columns = ", ".join(f"({n}, {as_text(f't.{column.sql}', column.builtin)})" for n, column in texts)
    part = first_rows([column for _, column in texts])
    return f"{part} AS t CROSS JOIN LATERAL (VALUES {columns}) AS c (place, value)"


def _kinds(db: Connection, lookup: Lookup, table: Table, texts: Texts) -> dict[int, set[str]]:
    """The columns that hold codes of places, with the kinds these may be; where both may be, the name tells."""
    rows = lookup.rows(
        f"""
        SELECT c.place, count(DISTINCT lower(c.value)) AS n,
               count(DISTINCT lower(c.value)) FILTER (WHERE lower(c.value) = ANY($1)) AS state,
               count(DISTINCT lower(c.value)) FILTER (WHERE lower(c.value) = ANY($2)) AS country
        FROM {_rows(texts)} WHERE c.value <> '' GROUP BY c.place
        """,
        table.oid,
        ("text[]", "text[]"),
        (sorted(places.CODES["state"]), sorted(places.CODES["country"])),
    )
    found = {}
    for row in rows:
        most = max(row["state"], row["country"])
        if most >= _CODES * row["n"]:
            kinds = {kind for kind in ("state", "country") if row[kind] == most}
            named = kinds & set(table.columns[row["place"]].words)
            found[row["place"]] = named or kinds
    return found


def _plain_parts(
    db: Connection,
    lookup: Lookup,
    question: str,
    spans: Sequence[tuple[int, int]],
    place: int,
    table: Table,
    texts: Texts,
) -> Iterable[ValueMatch]:
    """Values of which the question names a word in small letters, or several words that follow each other."""
    lower = question.lower()
    rows = lookup.rows(
        f"""
        SELECT c.place, p.part, (array_agg(DISTINCT lower(c.value)))[1:{_MOST_VALUES}] AS held
        FROM {_rows(texts)} JOIN unnest($1::text[]) AS p (part) ON strpos(lower(c.value), p.part) > 0
        WHERE length(c.value) <= {_LONGEST_VALUE} GROUP BY c.place, p.part
        """,
        table.oid,
        ("text[]",),
        (sorted({lower[slice(*span)] for span in spans}),),
    )
    for row in rows:
        word = re.compile(rf"(?<!\w){re.escape(row['part'])}(?!\w)")
        held = [value for value in row["held"] if word.search(value) and value != row["part"]]
        for span in spans if held else ():
            if lower[slice(*span)] == row["part"]:
                start, end = forms.grown(question, *span, held)
                sure = 1.0 if " " in question[start:end] else _PLAIN
                yield ValueMatch((place, row["place"]), question[start:end], start, end, False, sure)


def _begins_word(part: str, value: str) -> bool:
    """Whether a value has a part where a word of it begins; Chinese has no such places."""
    return part in value if chinese.is_in(part) else re.search(rf"(?<!\w){re.escape(part)}", value) is not None


def _bounded(text: str, start: int, end: int) -> bool:
    """Whether a place in a text begins and ends where words do; Chinese has no such places."""
    before, after = text[start - 1 : start], text[end : end + 1]
    rest = text[end : end + 2]

    def inside(a: str, b: str) -> bool:
        return a.isalnum() and b.isalnum() and not (chinese.is_in(a) or chinese.is_in(b))

    plural = rest.startswith("s") and not text[end + 1 : end + 2].isalnum()
    return not (before and inside(before, text[start])) and (not (after and inside(text[end - 1], after)) or plural)
