"""Values that look like what they stand for and belong to nobody, by Faker: the same for the same value under a key."""

from __future__ import annotations

import random
import re
import string
import threading
from functools import cache
from typing import Any

from pg_llm.privacy.host import dates

_LOCALES = {"en": "en_US", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT", "zh": "zh_CN"}
_HAN = re.compile(r"[\u4e00-\u9fff]")
# A generator has one seed at a time.
_seeding = threading.Lock()
# Days by which a date of birth is moved at most.
_MOST_DAYS = 3650


def fake(kind: str, value: str, seed: bytes, language: str | None) -> str:
    """A value of the kind that follows from the seed alone."""
    faker = _faker(language or ("zh" if _HAN.search(value) else "en"))
    with _seeding:
        faker.seed_instance(int.from_bytes(seed, "big"))
        return _made(faker, kind, value, seed)


def _made(faker: Any, kind: str, value: str, seed: bytes) -> str:
    if kind == "person":
        return str(faker.name() if _HAN.search(value) else f"{faker.first_name()} {faker.last_name()}")
    if kind == "address":
        return ", ".join(line.strip() for line in str(faker.address()).splitlines())
    if kind in ("email", "organization", "location", "ip", "url"):
        makers: dict[str, Any] = {
            "email": faker.safe_email,
            "organization": faker.company,
            "location": faker.city,
            "ip": faker.ipv6 if ":" in value else faker.ipv4,
            "url": lambda: f"https://example.com/{faker.uri_path()}",
        }
        return str(makers[kind]())
    chosen = random.Random(seed)  # noqa: S311 - the seed is secret
    if kind in dates.KINDS and (moved := dates.shift(value, chosen.randint(1, _MOST_DAYS) - _MOST_DAYS // 2)):
        return moved
    return _alike(value, chosen)


def _alike(value: str, chosen: random.Random) -> str:
    """Another digit for each digit and another letter for each letter, so that the form stays."""
    return "".join(
        chosen.choice(string.digits)
        if sign.isdigit()
        else chosen.choice(string.ascii_uppercase if sign.isupper() else string.ascii_lowercase)
        if sign.isascii() and sign.isalpha()
        else sign
        for sign in value
    )


@cache
def _faker(language: str) -> Any:
    from faker import Faker

    return Faker(_LOCALES[language])
