"""Coverage: whether a query reads what its question states, so that a query for some other question is noticed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pg_llm.ask import metrics
from pg_llm.ask.mention import LinkedQuestion, Mention
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable

# The score from which a word names a table or column beyond doubt.
_CERTAIN = 0.95
# The score from which a word may name one.
_NAMED = 0.6
_CHINESE_PAIR = re.compile(r"[\u3400-\u9fff]{2}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_GROUP_BY = re.compile(r"\bgroup by\s+(.*?)(?=\bgroup by\b|\border by\b|\bhaving\b|\blimit\b|\)|$)", re.I | re.S)
# A column with the text that it is compared with.
_COMPARED = re.compile(
    r"""\b(\w++)"?\s*+(?:\)\s*+)?(?:=|<>|!=|(?:not\s++)?i?like|(?:not\s++)?in\s*+\(|~\*?)\s*+(?:lower\(\s*+)?'([^']*+)'"""
)
# The share of such names that a query may do without: joins reach tables by other columns.
_MOST_UNREAD_NAMES = 0.5


def unread_words(linked: LinkedQuestion, schema: Schema, sql: str) -> list[str]:
    """The words that state a value, number or year which the query has nothing for; names, where most are missing.

    Of tables the one that is named first is what the question is about.
    """
    text = sql.lower()
    numbers = {float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)}
    names = [mention for mention in linked.mentions if mention.kind == "element" and mention.score >= _CERTAIN]
    missing = [mention for mention in names if not _reads_name(mention, linked, schema, text)]
    first = [mention for mention in names if all(ref[1] < 0 for ref, _ in mention.refs)][:1]
    unread = missing if len(missing) > _MOST_UNREAD_NAMES * len(names) else [one for one in first if one in missing]
    unread += [
        mention
        for mention in linked.mentions
        if (mention.kind == "value" and not _reads_value(mention, linked, schema, text))
        or (mention.kind == "number" and not _reads_number(mention, linked, numbers))
        or (mention.kind in ("year", "period", "date") and not _reads_year(mention, text))
    ]
    said = [" ".join(token.text for token in linked.tokens[mention.start : mention.end]) for mention in unread]
    return said + [phrase for phrase in _named_metrics(linked, schema, text) if phrase not in said]


def _named_metrics(linked: LinkedQuestion, schema: Schema, text: str) -> Iterator[str]:
    """The names of metrics in the question whose columns the query lacks."""
    for metric in schema.metrics:
        phrase = metrics.named_in(metric.phrases, linked.question)
        if phrase is not None and not all(schema.column(ref).name.lower() in text for ref in metric.refs):
            yield phrase


def unasked_groups(linked: LinkedQuestion, schema: Schema, sql: str) -> list[str]:
    """What the query groups by although no word names it: neither a column nor the rows of its table."""
    refs = {ref for mention in linked.mentions for ref, score in mention.refs if score >= _NAMED}
    refs |= {match.ref for mention in linked.mentions for match in mention.value_matches}
    asked = {
        column.name.lower()
        for table, each in enumerate(schema.tables)
        for place, column in enumerate(each.columns)
        if (table, place) in refs
        or (table in {ref[0] for ref in refs} and _names_rows(each, place))
        or _is_said(column, linked.question.lower())
    }
    unasked = []
    for columns in _GROUP_BY.findall(sql):
        names = [re.sub(r".*\.", "", name).strip('" ;\n') for name in columns.split(",")]
        plain = [name for name in names if re.fullmatch(r"\D[^()]*", name)]
        if plain and not asked & {name.lower() for name in plain}:
            unasked.append(f"GROUP BY {', '.join(plain)}")
    return unasked


def _is_said(column: SchemaColumn, question: str) -> bool:
    """True if the question has a word of the column's name, comment or description; of Chinese, two characters."""
    text = " ".join((*column.words, *column.phrases)).lower()
    pairs = (text[start : start + 2] for start in range(len(text) - 1))
    return any(len(word) > 2 and word in question for word in re.findall(r"[a-z]+", text)) or any(
        pair in question for pair in pairs if _CHINESE_PAIR.fullmatch(pair)
    )


def _names_rows(table: SchemaTable, place: int) -> bool:
    column = table.columns[place]
    return place in table.key or column.is_key or column.unique or column.words[-1:] in (("name",), ("title",))


def _reads_name(mention: Mention, linked: LinkedQuestion, schema: Schema, text: str) -> bool:
    """True if the query holds one of the tables and columns that the words may name, or the words themselves."""
    names = [schema.tables[ref[0]].name if ref[1] < 0 else schema.column(ref).name for ref, _ in mention.refs]
    spoken = (token.text.lower().rstrip("s") for token in linked.tokens[mention.start : mention.end])
    return any(name.lower() in text for name in names) or all(word in text for word in spoken)


def _reads_value(mention: Mention, linked: LinkedQuestion, schema: Schema, text: str) -> bool:
    """True if the query holds the value, groups by its column, or compares its rows with another text, as a code."""
    spoken = [token.text.lower() for token in linked.tokens[mention.start : mention.end]]
    if mention.normalized.lower() in text or all(word in text for word in spoken):
        return True
    years = _YEAR.findall(mention.normalized)
    if years and all(year in text for year in years):
        return True
    if any(match.value.lower() in text for match in mention.value_matches):
        return True
    if linked.tokens[mention.start].kind == "quoted":
        return all(word in text for part in spoken for word in part.split())
    # Rows are grouped by its column, or another name of it, as a code, is compared with a column of its table.
    columns = {schema.column(match.ref).name.lower() for match in mention.value_matches}
    tables = [schema.tables[match.ref[0]] for match in mention.value_matches]
    codes = {column.name.lower() for table in tables for column in table.columns}
    compared = {name for name, value in _COMPARED.findall(text) if not _is_said_text(value, linked.question)}
    groups = {name for group in _GROUP_BY.findall(text) for name in re.findall(r"\w+", group)}
    return bool(columns & groups or codes & compared)


def _is_said_text(value: str, question: str) -> bool:
    return value.strip("% ").lower() in question.lower()


def _reads_number(mention: Mention, linked: LinkedQuestion, numbers: set[float]) -> bool:
    """True if the query holds the number: at least 3 is also more than 2, 20 % is .2.

    One is often a pronoun, and two-factor no number.
    """
    number = mention.number
    word = linked.tokens[mention.start].text.lower()
    if word in ("one", "一") or (word.isalpha() and f"{word}-" in linked.question.lower()):
        return True
    return bool({number, number - 1, number + 1, number / 100, 1 - number / 100} & numbers)


def _reads_year(mention: Mention, text: str) -> bool:
    """True if the query holds the years, or the next ones, before which they end."""
    years = _YEAR.findall(mention.normalized)
    return all(year in text or str(int(year) + 1) in text for year in years)
