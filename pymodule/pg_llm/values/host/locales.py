"""Locales of CLDR by the names that people give them, and the words of many languages by what they mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from pg_llm.errors import InvalidInput
from pg_llm.values.host.characters import folded

# The languages whose names of months, countries and currencies are known without being told the language.
LANGUAGES = """
    en de fr es it pt nl da sv nb fi is et lv lt pl cs sk sl hr sr bs hu ro bg mk sq el tr ru uk be ka hy az kk uz he ar
    fa ur hi bn ta te mr gu th vi id ms fil zh zh_Hant ja ko ca eu gl ga cy mt sw af
""".split()


@lru_cache(1000)
def find(name: str) -> Locale:
    """The locale of a name such as `de`, `de_DE`, `de-DE` or `de_DE.UTF-8`. Raises ValueError for an unknown one."""
    code = name.partition(".")[0].partition("@")[0].strip().replace("-", "_")
    try:
        return Locale.parse(code)
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(f"unknown locale: {name[:50]}") from error


def checked(name: str | None) -> str | None:
    """The same name. Raises InvalidInput for an unknown locale."""
    if name is not None:
        try:
            find(name)
        except ValueError as error:
            hint = "A locale is a language, with a territory if need be: de, en_US, pt-BR."
            raise InvalidInput(str(error), hint=hint) from error
    return name


def meanings(names_of: Callable[[Locale], Iterable[tuple[str, str]]]) -> Mapping[str, frozenset[str]]:
    """Each name that some language has, folded, and what it means in those languages."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for language in LANGUAGES:
        for meaning, name in names_of(find(language)):
            if key := folded(name):
                found[key].add(meaning)
    return {name: frozenset(each) for name, each in found.items()}
