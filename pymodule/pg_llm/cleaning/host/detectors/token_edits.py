"""Edits of a value's tokens, learnt from examples: which tokens to keep, in which order, changed how.

This is programming by example (Gulwani 2011). All edits that turn one text into another make a version space: for each
token of the result the steps that may have made it. Examples of one edit have steps in common.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from pg_llm.cleaning.host.detectors.programs import Program, literal
from pg_llm.cleaning.host.detectors.value_patterns import Shape, shape, tokens

# For each token of the result: position and change of an old token, or a literal.
Step = tuple[int, str] | str
VersionSpace = Sequence[frozenset[Step]]
# Years of two digits up to this one are of this century.
_PIVOT = 50


def _century(token: str) -> str:
    return f"{20 if int(token) <= _PIVOT else 19}{token}" if len(token) == 2 and token.isdecimal() else token


_CHANGES: dict[str, Callable[[str], str]] = {
    "": lambda token: token,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.capitalize,
    "number": lambda token: token.lstrip("0") or "0",
    "padded": lambda token: token.zfill(2) if token.isdecimal() else token,
    "short year": lambda token: token[2:] if len(token) == 4 and token.isdecimal() else token,
    "long year": _century,
}


# The same in SQL, on a text {t}.
_IN_SQL = {
    "": "{t}",
    "lower": "lower({t})",
    "upper": "upper({t})",
    "title": "initcap({t})",
    "number": "coalesce(nullif(ltrim({t}, '0'), ''), '0')",
    "padded": "right('0' || {t}, greatest(2, length({t})))",
    "short year": "right({t}, 2)",
    "long year": "to_char(to_date({t}, 'YY'), 'YYYY')",
}
_CLASSES = {"9": r"(\d+)", "a": "([[:alpha:]]+)", " ": r"(\s+)"}


def edit(of: Shape, steps: tuple[Step, ...]) -> Program:
    """The program that makes these steps with values of a shape."""

    def apply(value: str) -> str | None:
        if shape(value) != of:
            return None
        old = tokens(value)
        return "".join(step if isinstance(step, str) else _CHANGES[step[1]](old[step[0]]) for step in steps)

    pattern = literal(f"^{''.join(_CLASSES.get(kind, f'({re.escape(kind)})') for kind in of)}$")
    parts = [
        literal(step)
        if isinstance(step, str)
        else _IN_SQL[step[1]].format(t=f"(regexp_match({{c}}, {pattern}))[{step[0] + 1}]")
        for step in steps
    ]
    names = "".join(
        step if isinstance(step, str) else f"<{' '.join([*step[1:], str(step[0] + 1)]).strip()}>" for step in steps
    )
    description = f"{''.join(of)!r} written as {names!r}"
    return Program(description, apply, False, f"{{c}} ~ {pattern}", " || ".join(parts) or "''")


def version_space(old: str, new: str) -> VersionSpace:
    """For each token of `new` all steps that make it of `old`."""
    olds = tokens(old)
    return [
        frozenset(
            [
                token,
                *(
                    (position, name)
                    for position, old_token in enumerate(olds)
                    for name, change in _CHANGES.items()
                    if change(old_token) == token
                ),
            ]
        )
        for token in tokens(new)
    ]


def learn(pairs: Iterable[tuple[str, str]]) -> list[Program]:
    """Edits that make each of the pairs, with those of the same shapes together where they have steps in common."""
    spaces: dict[tuple[Shape, Shape], list[VersionSpace]] = {}
    for old, new in pairs:
        known = spaces.setdefault((shape(old), shape(new)), [])
        space = version_space(old, new)
        for place, other in enumerate(known):
            common = [a & b for a, b in zip(other, space, strict=True)]
            if all(common):
                known[place] = common
                break
        else:
            known.append(space)
    return [
        edit(old, steps)
        for (old, new), known in spaces.items()
        for space in known
        if _is_program(old, new, steps := _simplest(space))
    ]


def _is_program(old: Shape, new: Shape, steps: Sequence[Step]) -> bool:
    """Whether steps depend on the value: a constant does not, nor a word or number put in the place of any other."""
    literals = {step for step in steps if isinstance(step, str)}
    return len(literals) < len(steps) and not (old == new and any(step.isalnum() for step in literals))


def _simplest(space: VersionSpace) -> tuple[Step, ...]:
    """Tokens rather than literals, unchanged ones rather than others, each once and in their order if possible."""
    used: set[int] = set()
    steps: list[Step] = []
    for choices in space:
        kept = [choice for choice in choices if not isinstance(choice, str)]
        best: Step = min(
            kept,
            key=lambda step: (step[0] in used, list(_CHANGES).index(step[1]), step[0]),
            default=next((choice for choice in choices if isinstance(choice, str)), ""),
        )
        if not isinstance(best, str):
            used.add(best[0])
        steps.append(best)
    return tuple(steps)
