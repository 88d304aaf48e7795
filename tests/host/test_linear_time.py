"""No text makes a regular expression, or a library that reads texts, take longer than in proportion to its length.

The patterns are read from the sources, with the way each is used; the texts are made of what a pattern speaks of: the
beginnings of a text that it matches, a repeated piece, and an end that makes it fail.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

import pg_llm
import pytest

PACKAGE = Path(pg_llm.__file__).parent
METHODS = ("match", "search", "sub", "subn", "fullmatch", "finditer", "split", "findall")
# Characters of a text; and the processor time from which on its double is looked at, and that none may take.
LENGTH, NOTED, MOST = 2000, 0.006, 0.5
GROWTH = 3.0


@dataclass(frozen=True)
class Pattern:
    """A regular expression of the package, where it stands, and how it is used."""

    place: str
    text: str
    flags: int
    method: str

    @property
    def run(self) -> Callable[[str], object]:
        compiled = re.compile(self.text, self.flags)
        if self.method in ("fullmatch", "match"):
            return getattr(compiled, self.method)
        return lambda text: sum(1 for _ in compiled.finditer(text))


def patterns() -> list[Pattern]:
    """Every regular expression of the package."""
    found: dict[tuple[str, int, str], Pattern] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).with_suffix("").as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        known = Names(f"pg_llm.{name.replace('/', '.')}")
        uses = used(tree)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            of, method = node.func.value, node.func.attr
            if not (isinstance(of, ast.Name) and of.id == "re" and method in (*METHODS, "compile")):
                continue
            methods = [method]
            if method == "compile":
                methods = sorted(uses.get(node.lineno) or uses.get(0) or {"search", "fullmatch"})
            rest = node.args[1 if method == "compile" else 3 if method in ("sub", "subn") else 2 :]
            flags = flags_of(node, rest, known)
            text = text_of(node.args[0], known)
            for each in methods:
                found.setdefault((text, flags, each), Pattern(f"{name}:{node.lineno}", text, flags, each))
    return list(found.values())


class Names(dict[str, Any]):
    """The names of a module, which is imported when one is asked for; of one for backends only, none."""

    def __init__(self, module: str) -> None:
        super().__init__(re=re)
        self._module = module

    def __missing__(self, name: str) -> Any:
        try:
            return vars(importlib.import_module(self._module.removesuffix(".__init__")))[name]
        except ImportError:
            raise KeyError(name) from None


def used(tree: ast.Module) -> dict[int, set[str]]:
    """The methods that are called of the patterns compiled at each line, at 0 those of patterns without a name."""
    lines = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            lines[node.targets[0].id] = node.value.lineno
    found: dict[int, set[str]] = {}
    for node in ast.walk(tree):
        of = node.value if isinstance(node, ast.Attribute) and node.attr in METHODS else None
        if isinstance(node, ast.Attribute) and isinstance(of, ast.Name) and of.id != "re" and node.attr != "split":
            found.setdefault(lines.get(of.id, 0), set()).add(node.attr)
    return found


def flags_of(node: ast.Call, rest: list[ast.expr], known: Names) -> int:
    given = [*rest, *(keyword.value for keyword in node.keywords if keyword.arg == "flags")]
    for each in given:
        try:
            value = eval(compile(ast.Expression(each), "flags", "eval"), {}, known)
        except Exception:  # noqa: BLE001 - no constant
            continue
        if isinstance(value, re.RegexFlag):
            return int(value)
    return 0


def text_of(node: ast.expr, known: Names) -> str:
    """The pattern; where a part of it is known at run time only, a word stands for that."""
    try:
        return str(eval(compile(ast.Expression(node), "pattern", "eval"), {}, known))
    except Exception:  # noqa: BLE001 - known at run time only
        pass
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "word" for part in node.values)
    return "word"


def letters(text: str, flags: int) -> list[str]:
    """Characters that a pattern tells apart."""
    found = {"a", "A", "1", " ", ".", "-", "'", "@", "\n", "é", "中"}
    found |= {chr(code) for code in codes(_parser.parse(text, flags))}
    return sorted(found)[:24]


def codes(parsed: Any) -> Iterator[int]:
    """Code points of the literals in a parsed pattern."""
    for each in parsed:
        if isinstance(each, tuple):
            if each and each[0] in (_constants.LITERAL, _constants.NOT_LITERAL):
                yield each[1]
            elif each and each[0] is _constants.RANGE:
                yield each[1][0]
            else:
                yield from codes(each)
        elif isinstance(each, _parser.SubPattern | list):
            yield from codes(each)


def example(parsed: Any) -> str:
    """A short text that a parsed pattern may match."""
    found = ""
    for kind, value in parsed:
        if kind is _constants.LITERAL:
            found += chr(value)
        elif kind in (_constants.NOT_LITERAL, _constants.ANY):
            found += "x"
        elif kind is _constants.IN:
            found += one_of(value)
        elif kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            found += example(value[2]) * max(1, value[0])
        elif kind is _constants.SUBPATTERN:
            found += example(value[-1])
        elif kind is _constants.ATOMIC_GROUP:
            found += example(value)
        elif kind is _constants.BRANCH:
            found += example(max(value[1], key=len))
    return found


def one_of(members: Any) -> str:
    negated = members[0][0] is _constants.NEGATE
    for kind, value in members:
        if negated:
            tried = "a1 .@-中"
            pattern = "[^\0" + "".join(re.escape(chr(v)) for k, v in members if k is _constants.LITERAL) + "]"
            categories = {v for k, v in members if k is _constants.CATEGORY}
            if _constants.CATEGORY_NOT_WORD in categories:
                tried = "a" if _constants.CATEGORY_DIGIT in categories else "a1"
            elif _constants.CATEGORY_WORD in categories:
                tried = ". -@"
            return next((c for c in tried if re.match(pattern, c)), "x")
        if kind is _constants.LITERAL:
            return chr(value)
        if kind is _constants.RANGE:
            return chr(value[0])
        if kind is _constants.CATEGORY:
            return {
                _constants.CATEGORY_DIGIT: "1",
                _constants.CATEGORY_SPACE: " ",
                _constants.CATEGORY_WORD: "a",
                _constants.CATEGORY_NOT_WORD: ".",
            }.get(value, "x")
    return "x"


def hostile(text: str, flags: int) -> Iterator[tuple[str, str, str]]:
    """Beginning, piece that is repeated, end."""
    alphabet = letters(text, flags)
    sample = example(_parser.parse(text, flags))[:40]
    pieces = [*alphabet, *(a + b for a, b in itertools.permutations(alphabet[:6], 2)), *({sample} - {""})]
    beginnings = sorted({"", *(sample[:end] for end in range(1, len(sample) + 1))}, key=len)
    # The whole of the repetition fails where it begins, and where it ends.
    for beginning in beginnings[:: len(beginnings) // 8 + 1]:
        for piece in pieces if not beginning else [*alphabet, *({sample} - {""})]:
            for end in ("\0", "@ \n"):
                yield beginning, piece, end


class TooLong(Exception):
    """The work took longer than any may."""


def seconds(work: Callable[[str], object], text: str) -> float:
    """Processor time of the work. The alarm ends a match, as the engine looks for signals."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, MOST)
    begun = time.thread_time()
    try:
        work(text)
        return time.thread_time() - begun
    except TooLong:
        return MOST
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def slow(work: Callable[[str], object], beginning: str, piece: str, end: str) -> str | None:
    """What a work takes too long for, or None: first a short text, as some would never end on a long one."""
    for length in (40, LENGTH):
        one = seconds(work, beginning + piece * (length // len(piece)) + end)
        if one < NOTED:
            continue
        two = seconds(work, beginning + piece * (2 * length // len(piece)) + end)
        if length == 40 or two >= MOST or two > GROWTH * one:
            # Once more: another process may have had the caches.
            again = [seconds(work, beginning + piece * (times * length // len(piece)) + end) for times in (1, 2)]
            if again[1] >= MOST or (again[0] >= NOTED and again[1] > GROWTH * again[0]):
                return f"{beginning!r} + {piece!r} * n + {end!r}: {again[0]:.4f} s, and {again[1]:.4f} s for the double"
    return None


def names(of: list[Pattern]) -> list[str]:
    return [f"{each.place} {each.method}" for each in of]


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    PATTERNS = patterns()


@pytest.mark.parametrize("pattern", PATTERNS, ids=names(PATTERNS))
def test_a_pattern_takes_time_in_proportion_to_the_text(pattern: Pattern) -> None:
    run = pattern.run
    found = (told for shape in hostile(pattern.text, pattern.flags) if (told := slow(run, *shape)))
    assert (told := next(found, None)) is None, f"{pattern.text}\n{told}"


def readers() -> dict[str, Callable[[str], object]]:
    """What reads a text by a library, and has no pattern of its own."""
    from pg_llm.cleaning import forms as known
    from pg_llm.cleaning.host import spelling, standardization, text_repair
    from pg_llm.models.spacy import blank_long_runs
    from spacy.lang.en import English

    words = English().tokenizer
    return {
        # PostgreSQL has no half pairs.
        "words": lambda text: words(blank_long_runs(text.encode("utf-8", "replace").decode("utf-8"))),
        "damage": text_repair.repair,
        "suspects": spelling.find_suspects,
        "suspects in a sentence": lambda text: spelling.find_suspects(f"this is one of the words {text} of many more"),
        **{form: standardization.converter(form) for form in known.EXAMPLES},
    }


READERS = readers()
PIECES = (
    "a",
    "A",
    "1",
    " ",
    ".",
    "-",
    "@",
    "/",
    "&",
    "<",
    "(",
    "'",
    "+",
    "\n",
    "\x1b",
    "\x1b[",
    "é",
    "Ã©",
    "â€",
    "ï¿½",
    "中",
    "ｱ",
    "１",
    "\u200b",
    "\ud800",
    "a.",
    "a@",
    "a ",
    "1 ",
    "1.",
    "1,",
    ":",
    "'s",
    "$A",
    ":)",
    "=",
    "%.",
    "_",
    "&amp;",
    "&#",
    "&lt",
    "à ",
    "2020-01-01 ",
    "Jan ",
    "0:",
)


@pytest.mark.parametrize("reader", READERS)
def test_a_library_takes_time_in_proportion_to_the_text(reader: str) -> None:
    work = READERS[reader]
    for text in ("warm", "this is a sentence with a mispelling", "+1 202 555 0123", "2020-01-01"):
        work(text)
    shapes = itertools.product(("", "a@", "the 1", "http://"), PIECES, ("", "\0", " @ \n", "x"))
    found = (told for shape in shapes if (told := slow(work, *shape)))
    assert (told := next(found, None)) is None, told
