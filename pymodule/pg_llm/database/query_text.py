"""The text of a query as SQL's lexical rules divide it: where it ends, and whether it orders its rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A token; comments in asterisks nest, and are read by hand. Where the text ends within a token, so does the token.
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'? | '(?:[^']|'')*'? | "(?:[^"]|"")*"?
        | \$(?P<tag>[A-Za-z_\u0080-\uffff]\w*|)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<word>[A-Za-z_\u0080-\uffff][\w$]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_PART = re.compile(r"/\*|\*/")


def without_end(query: str) -> str:
    """The query without the semicolons, comments and white space around it."""
    tokens = [(start, end) for kind, start, end in _tokens(query) if kind != "space"]
    while tokens and query[slice(*tokens[-1])] == ";":
        tokens.pop()
    return query[tokens[0][0] : tokens[-1][1]] if tokens else ""


def is_ordered(query: str) -> bool:
    """Whether the query itself says in which order its rows come, not only a query within it."""
    depth, previous = 0, ""
    for kind, start, end in _tokens(query):
        if kind == "space":
            continue
        part = query[start:end].lower()
        depth += {"(": 1, ")": -1}.get(part, 0)
        if depth == 0 and (previous, part) == ("order", "by"):
            return True
        previous = part
    return False


def _tokens(query: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each token; comments are white space."""
    at = 0
    while found := _TOKEN.match(query, at):
        kind, end = str(found.lastgroup), found.end()
        if kind == "comment":
            kind, end = "space", _comment_end(query, end)
        # The tag of a text in dollars is a group within it.
        yield "text" if kind == "tag" else kind, at, end
        at = end


def _comment_end(query: str, at: int) -> int:
    """The end of the comment that begins before `at`."""
    depth = 1
    while depth and (part := _COMMENT_PART.search(query, at)):
        depth += 1 if part[0] == "/*" else -1
        at = part.end()
    return len(query) if depth else at


def names(query: str) -> list[str]:
    """The names in the query, as written and with their schemas; most are of columns and functions, some are words."""
    found: list[list[str]] = []
    is_open = False
    for kind, start, end in _tokens(query):
        part = query[start:end]
        if kind == "word" or part.startswith('"'):
            if is_open:
                found[-1].append(part)
            else:
                found.append([part])
            is_open = False
        elif kind != "space":
            is_open = part == "." and bool(found)
    return list(dict.fromkeys(".".join(parts) for parts in found))
