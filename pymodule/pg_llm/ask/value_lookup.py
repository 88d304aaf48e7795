"""Value linking: find the values of text columns that a question names, in the rows themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pg_llm.ask import place_names, word_forms, words
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable
from pg_llm.ask.schema_reader import ValueLookup, sample_rows
from pg_llm.database.column_types import as_text

# How many values per table are read.
_MOST_VALUES = 60
_LONGEST_VALUE = 100
# Confidence in a value that is named by another name of a place, an inflected form, or one lower-case word.
_PLACE_CONFIDENCE, _FORM_CONFIDENCE, _LOWERCASE_CONFIDENCE = 0.97, 0.9, 0.9
# A column holds codes of places if this share of its values are codes.
_LEAST_CODE_SHARE = 0.5

_ARTICLES = {"the", "a", "an"}

TextColumns = Sequence[tuple[int, SchemaColumn]]
# What separates the words of a value as no_show; people write no-show, or no show.
_SEPARATORS = "_-"
_SPACED = str.maketrans(_SEPARATORS, " " * len(_SEPARATORS))


def find_values(question: str, schema: Schema, lookup: ValueLookup) -> list[ValueMatch]:
    """The values that the question names entirely, by another name, or by one of their words."""
    text = question[:2000]
    capital = _capitalized_words(text)
    matches: list[ValueMatch] = []
    for index, table in enumerate(schema.tables):
        text_columns = [(n, column) for n, column in enumerate(table.columns) if column.kind == "text"]
        if text_columns:
            matches += _match_values(lookup, text, capital, index, table, text_columns)
    return matches


def _capitalized_words(question: str) -> list[str]:
    """Quoted texts and capitalised words, which may be part of a value."""
    quoted = [
        text
        for pair in re.findall(r"""["\u201c]([^"\u201d]{2,100})["\u201d]|(?<!\w)'([^']{2,100})'(?!\w)""", question)
        for text in pair
        if text
    ]
    rest = re.sub(r"""["\u201c][^"\u201d]{2,100}["\u201d]""", " ", question)
    capital = [
        match[0]
        for match in re.finditer(r"\b[A-Z][\w'-]*(?: [A-Z][\w'-]*)*", _blank_sentence_starts(rest))
        if len(match[0]) > 2 or re.search(r"\d", match[0])
    ]
    return list(dict.fromkeys(text.lower().removesuffix("'s") for text in (*quoted, *capital)))[:20]


def _blank_sentence_starts(question: str) -> str:
    """Blank out words that are capitalised only because they begin a sentence."""
    return re.sub(r"(^|[.?!])(\W{0,9}+[A-Z][\w'-]*)", lambda match: match[1] + " ." * (len(match[2]) // 2), question)


def _match_values(
    lookup: ValueLookup,
    question: str,
    capitalized: Sequence[str],
    index: int,
    table: SchemaTable,
    texts: TextColumns,
) -> Iterable[ValueMatch]:
    lower = question.lower()
    found_places = list(place_names.find_places(question))
    place_codes = {code for _, codes, _, _ in found_places for code in codes}
    bases = word_forms.base_forms(question)
    nominals = word_forms.nominal_bases(question)
    rows = _candidate_values(lookup, lower, capitalized, place_codes, {**bases, **nominals}, table, texts)
    kinds = _place_kinds(lookup, table, texts) if any(row["value"].lower() in place_codes for row in rows) else {}
    for row in rows:
        value, ref = row["value"].lower(), (index, row["place"])
        spellings = [value] if row["whole"] else [part for part in capitalized if _starts_at_word(part, value)]
        spaced = (text.translate(_SPACED) for text in spellings)
        for match in (match for text in spaced for match in re.finditer(re.escape(text), lower.translate(_SPACED))):
            if _is_whole_word(lower, *match.span()) and not _is_article(question, *match.span()):
                yield ValueMatch(ref, row["value"], *match.span(), row["whole"])
        for match in re.finditer(_completed_pattern(value), lower):
            yield ValueMatch(ref, row["value"], *match.span(), whole=True)
        for kind, codes, start, end in found_places:
            if value in codes and value != lower[start:end] and (len(value) > 3 or kind in kinds.get(row["place"], ())):
                yield ValueMatch(ref, row["value"], start, end, True, _PLACE_CONFIDENCE)
        for span in bases.get(word_forms.base_form(value), ()):
            if value != lower[slice(*span)]:
                yield ValueMatch(ref, row["value"], *span, True, _FORM_CONFIDENCE)
        for span in nominals.get(word_forms.participle_base(value), ()):
            yield ValueMatch(ref, row["value"], *span, True, _FORM_CONFIDENCE)


def _candidate_values(
    lookup: ValueLookup,
    question: str,
    capitalized: Sequence[str],
    place_codes: Iterable[str],
    bases: Iterable[str],
    table: SchemaTable,
    texts: TextColumns,
) -> list[dict[str, Any]]:
    """Values of a table that the lower-case question may name; `whole` is true for those that it contains entirely."""
    return lookup.rows(
        f"""
        SELECT DISTINCT c.place, c.value, strpos($5, translate(lower(c.value), '{_SEPARATORS}', $6)) > 0 AS whole
        FROM {_value_rows(texts)}
        WHERE c.value <> '' AND length(c.value) <= {_LONGEST_VALUE} AND (
            strpos($5, translate(lower(c.value), '{_SEPARATORS}', $6)) > 0 OR lower(c.value) = ANY($3)
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
        ("text", "text[]", "text[]", "text[]", "text", "text"),
        (
            question,
            list(capitalized),
            list(place_codes),
            list(bases),
            question.translate(_SPACED),
            " " * len(_SEPARATORS),
        ),
    )


def _completed_pattern(value: str) -> str:
    """A pattern for the verb of a completed state in Chinese, unless negated: 取消 for 已取消."""
    return rf"(?<![已未没不待]){re.escape(value[1:])}" if value[0] == "已" and len(value) > 2 else "(?!)"


def _value_rows(texts: TextColumns) -> str:
    columns = ", ".join(f"({n}, {as_text(f't.{column.sql}', column.builtin)})" for n, column in texts)
    part = sample_rows([column for _, column in texts])
    return f"{part} AS t CROSS JOIN LATERAL (VALUES {columns}) AS c (place, value)"


def _place_kinds(lookup: ValueLookup, table: SchemaTable, texts: TextColumns) -> dict[int, set[str]]:
    """Columns that hold codes of states or countries, with their kind; the column's name decides between both."""
    rows = lookup.rows(
        f"""
        SELECT c.place, count(DISTINCT lower(c.value)) AS n,
               count(DISTINCT lower(c.value)) FILTER (WHERE lower(c.value) = ANY($1)) AS state,
               count(DISTINCT lower(c.value)) FILTER (WHERE lower(c.value) = ANY($2)) AS country
        FROM {_value_rows(texts)} WHERE c.value <> '' GROUP BY c.place
        """,
        table.oid,
        ("text[]", "text[]"),
        (sorted(place_names.CODES["state"]), sorted(place_names.CODES["country"])),
    )
    kinds_by_column = {}
    for row in rows:
        most = max(row["state"], row["country"])
        if most >= _LEAST_CODE_SHARE * row["n"]:
            kinds = {kind for kind in ("state", "country") if row[kind] == most}
            named = kinds & set(table.columns[row["place"]].words)
            kinds_by_column[row["place"]] = named or kinds
    return kinds_by_column


def _is_article(question: str, start: int, end: int) -> bool:
    """True for an article that is neither quoted nor capitalised: a value may be called so."""
    return question[start:end] in _ARTICLES and question[start - 1 : start] not in ("'", '"', "\u201c")


def _starts_at_word(part: str, value: str) -> bool:
    """True if the value has this part at the start of a word; Chinese text has no word boundaries."""
    return part in value if words.contains_chinese(part) else re.search(rf"(?<!\w){re.escape(part)}", value) is not None


def _is_whole_word(text: str, start: int, end: int) -> bool:
    """True if the span begins and ends at word boundaries; Chinese text has none."""
    before, after = text[start - 1 : start], text[end : end + 1]
    rest = text[end : end + 2]

    def inside(a: str, b: str) -> bool:
        return a.isalnum() and b.isalnum() and not (words.contains_chinese(a) or words.contains_chinese(b))

    plural = rest.startswith("s") and not text[end + 1 : end + 2].isalnum()
    return not (before and inside(before, text[start])) and (not (after and inside(text[end - 1], after)) or plural)
