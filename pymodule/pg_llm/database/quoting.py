"""Names and texts as SQL writes them, by the rules of the server's quote_ident() and quote_literal()."""

from __future__ import annotations

import re

# Bytes of an identifier.
MAX_NAME_BYTES = 63
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# SQL's words for types, which are not their names in pg_catalog.
_TYPE_WORDS = {
    "bigint": "int8",
    "boolean": "bool",
    "character": "bpchar",
    "decimal": "numeric",
    "int": "int4",
    "integer": "int4",
    "real": "float4",
    "smallint": "int2",
}
# pg_get_keywords() of PostgreSQL 15 to 18, without the unreserved ones.
_KEYWORDS = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "authorization",
        "between",
        "bigint",
        "binary",
        "bit",
        "boolean",
        "both",
        "case",
        "cast",
        "char",
        "character",
        "check",
        "coalesce",
        "collate",
        "collation",
        "column",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "dec",
        "decimal",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "exists",
        "extract",
        "false",
        "fetch",
        "float",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "grant",
        "greatest",
        "group",
        "grouping",
        "having",
        "ilike",
        "in",
        "initially",
        "inner",
        "inout",
        "int",
        "integer",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "json",
        "json_array",
        "json_arrayagg",
        "json_exists",
        "json_object",
        "json_objectagg",
        "json_query",
        "json_scalar",
        "json_serialize",
        "json_table",
        "json_value",
        "lateral",
        "leading",
        "least",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "merge_action",
        "national",
        "natural",
        "nchar",
        "none",
        "normalize",
        "not",
        "notnull",
        "null",
        "nullif",
        "numeric",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "out",
        "outer",
        "overlaps",
        "overlay",
        "placing",
        "position",
        "precision",
        "primary",
        "real",
        "references",
        "returning",
        "right",
        "row",
        "select",
        "session_user",
        "setof",
        "similar",
        "smallint",
        "some",
        "substring",
        "symmetric",
        "system_user",
        "table",
        "tablesample",
        "then",
        "time",
        "timestamp",
        "to",
        "trailing",
        "treat",
        "trim",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "values",
        "varchar",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
        "xmlattributes",
        "xmlconcat",
        "xmlelement",
        "xmlexists",
        "xmlforest",
        "xmlnamespaces",
        "xmlparse",
        "xmlpi",
        "xmlroot",
        "xmlserialize",
        "xmltable",
    ]
)


def quote_ident(name: str) -> str:
    """A name, in double quotes where it needs them."""
    if _PLAIN.fullmatch(name) and name not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def pin_type(name: str) -> str:
    """A type's name, or an array's, that means PostgreSQL's own type under every search path; others are qualified."""
    element = name.removesuffix("[]")
    if not _PLAIN.fullmatch(element):
        # Qualified or quoted, or of several words, which are SQL's own.
        return name
    return f"pg_catalog.{_TYPE_WORDS.get(element, element)}{name[len(element) :]}"


def quote_literal(text: str) -> str:
    """A text as a literal, right under either setting of standard_conforming_strings."""
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "E" + quoted if "\\" in text else quoted


def derived_name(relation: str, suffix: str) -> str:
    """The name of what is derived from a relation, whose own name is cut so that an identifier holds both; unquoted."""
    end = f"_{suffix}".encode()
    return (relation.encode()[: max(1, MAX_NAME_BYTES - len(end))] + end)[:MAX_NAME_BYTES].decode(errors="ignore")
