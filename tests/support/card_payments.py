"""Made-up card payments of a week, with planted frauds of four patterns, and with what is odd about honest ones.

Honest cards have their own usual amounts, now and then a much larger one, journeys abroad, several purchases within
minutes, and tiny ones for parking and coffee.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 5, 4, tzinfo=UTC)
_WEEK = 7 * 86_400
_COUNTRIES = ("DE", "FR", "IT", "ES", "GB", "US", "JP", "BR")
_MERCHANTS = ("grocer", "fuel", "restaurant", "online", "parking", "clothes", "pharmacy", "travel")
PATTERNS = ("amount", "velocity", "country", "testing")


@dataclass(frozen=True)
class Fraud:
    """A planted fraud: its pattern, and the payments that belong to it."""

    pattern: str
    card: str
    ids: tuple[int, ...]


def payments(
    seed: int, count: int = 10_000, frauds: int = 40, cards: int = 200
) -> tuple[list[dict[str, Any]], list[Fraud]]:
    """The payments in the order of their time, and the frauds among them."""
    chance = random.Random(seed)
    made: list[dict[str, Any]] = []
    planted: list[tuple[str, str, list[dict[str, Any]]]] = []
    profiles = [_profile(chance, number) for number in range(cards)]
    # Frauds come once a card has a history, to cards of their own.
    for number, profile in enumerate(chance.sample(profiles, frauds)):
        pattern = PATTERNS[number % len(PATTERNS)]
        rows = _fraud(chance, pattern, profile, chance.uniform(3 * 86_400, _WEEK - 7200))
        planted.append((pattern, profile["card"], rows))
        made += rows
    while len(made) < count:
        made += _honest(chance, chance.choice(profiles))
    del made[count:]
    made.sort(key=lambda row: row["second"])
    for number, row in enumerate(made):
        row["id"] = number
    found = [Fraud(pattern, card, tuple(row["id"] for row in rows)) for pattern, card, rows in planted]
    return [_shown(row) for row in made], found


def _profile(chance: random.Random, number: int) -> dict[str, Any]:
    away = None
    if chance.random() < 0.2:
        begin = chance.uniform(0, _WEEK)
        away = (begin, begin + chance.uniform(1, 4) * 86_400, chance.choice(_COUNTRIES))
    return {
        "card": f"card{number:03}",
        "home": chance.choice(_COUNTRIES),
        "usual": math.log(chance.uniform(15, 80)),
        "spread": chance.uniform(0.4, 0.8),
        "away": away,
    }


def _payment(second: float, profile: dict[str, Any], amount: float, country: str, merchant: str) -> dict[str, Any]:
    row = {"second": second, "card": profile["card"], "amount": round(max(amount, 0.5), 2), "country": country}
    return row | {"merchant": merchant}


def _country(profile: dict[str, Any], second: float) -> str | None:
    """Where the holder is; None on the way."""
    if profile["away"] is None:
        return str(profile["home"])
    begin, end, there = profile["away"]
    if begin <= second <= end:
        return str(there)
    on_the_way = begin - 5 * 3600 < second < begin or end < second < end + 5 * 3600
    return None if on_the_way else str(profile["home"])


def _honest(chance: random.Random, profile: dict[str, Any]) -> list[dict[str, Any]]:
    second = chance.uniform(0, _WEEK - 600)
    country = _country(profile, second)
    if country is None:
        return []
    several = chance.choices((1, 2, 3), (0.93, 0.05, 0.02))[0]
    rows = []
    for _ in range(several):
        merchant = chance.choice(_MERCHANTS)
        amount = math.exp(chance.gauss(profile["usual"], profile["spread"]))
        if merchant == "parking":
            amount = chance.uniform(1, 6)
        elif chance.random() < 0.01:
            amount *= chance.uniform(3, 6)
        rows.append(_payment(second, profile, amount, country, merchant))
        second += chance.uniform(20, 240)
    return rows


def _fraud(chance: random.Random, pattern: str, profile: dict[str, Any], second: float) -> list[dict[str, Any]]:
    while (country := _country(profile, second)) is None or _country(profile, second + 3600) != country:
        second = chance.uniform(3 * 86_400, _WEEK - 7200)
    usual = math.exp(profile["usual"])
    if pattern == "amount":
        return [_payment(second, profile, usual * chance.uniform(25, 60), country, "online")]
    rows = []
    if pattern == "velocity":
        for _ in range(chance.randint(7, 12)):
            rows.append(_payment(second, profile, usual * chance.uniform(0.5, 2), country, "online"))
            second += chance.uniform(5, 40)
    elif pattern == "testing":
        for _ in range(chance.randint(4, 6)):
            rows.append(_payment(second, profile, chance.uniform(0.5, 1.0), country, "online"))
            second += chance.uniform(10, 90)
    else:
        abroad = chance.choice([name for name in _COUNTRIES if name != country])
        rows.append(_payment(second, profile, usual, country, "grocer"))
        rows.append(_payment(second + chance.uniform(300, 1500), profile, usual * 2, abroad, "clothes"))
    return rows


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    at = START + timedelta(seconds=row["second"])
    return {name: row[name] for name in ("id", "card", "amount", "country", "merchant")} | {"at": at.isoformat()}
