"""Sentences with made personal data in six languages, and where it stands: values by Faker, and by check digits.

The templates are cut in two by the order in which each language has them: `dev` for choosing, `test` for figures.
"""

from __future__ import annotations

import random
import re
import string
from functools import cache
from pathlib import Path
from typing import NamedTuple

from faker import Faker

TEMPLATES = Path(__file__).parents[1] / "benchmarks" / "privacy_templates.txt"
SECRETS = TEMPLATES.with_name("secret_templates.txt")
LOCALES = {"en": "en_US", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT", "zh": "zh_CN"}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Sentence(NamedTuple):
    language: str
    text: str
    # Kind, start and end of what is personal.
    spans: list[tuple[str, int, int]]


@cache
def templates(part: str, path: Path = TEMPLATES) -> list[tuple[str, str]]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    pairs = [tuple(line.split("\t", 1)) for line in lines]
    return [(pair[0], pair[1].replace("\\n", "\n")) for pair in pairs[part == "test" :: 2]]


def sentences(part: str, count: int, seed: int = 1) -> list[Sentence]:
    chosen = random.Random(f"{part} {seed}")
    fakers = {language: Faker(locale) for language, locale in (LOCALES | {"uk": "en_GB"}).items()}
    for number, faker in enumerate(fakers.values()):
        faker.seed_instance(f"{part} {seed} {number}")
    listed = templates(part)
    made = []
    for number in range(count):
        language, template = listed[number % len(listed)]
        country = "uk" if language == "en" and chosen.random() < 0.5 else language
        made.append(_filled(language, template, Values(fakers[country], chosen, country)))
    return made


def _filled(language: str, template: str, values: Values | Secrets) -> Sentence:
    text, spans, end = "", [], 0
    for match in _PLACEHOLDER.finditer(template):
        text += template[end : match.start()]
        value = getattr(values, match[1])()
        spans.append((match[1], len(text), len(text) + len(value)))
        text += value
        end = match.end()
    return Sentence(language, text + template[end:], spans)


def secrets(part: str, times: int = 5, seed: int = 1) -> list[Sentence]:
    """Each sentence of `secret_templates.txt` so many times, each with other secrets."""
    chosen = random.Random(f"secrets {part} {seed}")
    made = []
    for _ in range(times):
        for language, template in templates(part, SECRETS):
            sentence = _filled(language, template, Secrets(chosen))
            # A one-time code or PIN is a password, too.
            spans = [(kind.replace("pin", "password"), start, end) for kind, start, end in sentence.spans]
            made.append(sentence._replace(spans=spans))
    return made


class Secrets:
    """Passwords as people choose them and as machines do, and keys."""

    def __init__(self, chosen: random.Random) -> None:
        self._random = chosen

    def _some(self, letters: str, least: int, most: int) -> str:
        return "".join(self._random.choices(letters, k=self._random.randint(least, most)))

    def password(self) -> str:
        words = "Sommer Dragon winter Blue monkey Paris Tiger flower Cheval luna Sole Berlin shadow coffee".split()
        word, number = self._random.choice(words), self._random.randint(1, 2030)
        forms = (
            f"{word}{number}",
            f"{word}{number}{self._random.choice('!?#$*')}",
            f"{self._random.choice('!@#')}{word}_{number}",
            "-".join([*self._random.sample(words, 3), str(number % 100)]).lower(),
            word.replace("o", "0").replace("e", "3").replace("i", "1") + self._some(string.digits, 1, 3),
            self._some(string.ascii_letters + string.digits + "!#$%&*+-=?@^_", 9, 14) + "7x",
        )
        return self._random.choice(forms)

    def pin(self) -> str:
        return self._some(string.digits, 4, 6)

    def api_key(self) -> str:
        mixed = string.ascii_letters + string.digits
        groups = [self._some("0123456789abcdef", size, size) for size in (8, 4, 4, 4, 12)]
        forms = (self._some("0123456789abcdef", 32, 40), self._some(mixed, 24, 44), "sk-" + self._some(mixed, 40, 40))
        return self._random.choice((*forms, "-".join(groups)))


@cache
def _cards() -> Faker:
    faker = Faker("en_US")
    faker.seed_instance("cards")
    return faker


class Values:
    """Values of one country, by kind."""

    def __init__(self, faker: Faker, chosen: random.Random, country: str) -> None:
        self._fake, self._random, self._country = faker, chosen, country

    def _digits(self, count: int) -> str:
        return "".join(self._random.choices(string.digits, k=count))

    def _letters(self, count: int, of: str = string.ascii_uppercase) -> str:
        return "".join(self._random.choices(of, k=count))

    def _pattern(self, pattern: str) -> str:
        """`#` is a digit, `?` a letter, `%` a digit that is not 0."""
        makers = {
            "#": lambda: self._digits(1),
            "?": lambda: self._letters(1),
            "%": lambda: self._letters(1, "123456789"),
        }
        return "".join(makers[sign]() if sign in makers else sign for sign in pattern)

    def person(self) -> str:
        fake = self._fake
        if self._country == "zh":
            return fake.name()
        return f"{fake.first_name()} {fake.last_name()}"

    def email(self) -> str:
        return self._random.choice((self._fake.email, self._fake.company_email, self._fake.free_email))()

    def phone(self) -> str:
        made = {
            "en": ("(%##) 5##-####", "+1 %##-5##-####", "%##-5##-####"),
            "uk": ("07### ######", "+44 7### ######", "020 7### ####"),
            "de": ("0171 #######", "+49 30 #######", "089/#######", "0221 #######"),
            "fr": ("06 ## ## ## ##", "+33 6 ## ## ## ##", "01.##.##.##.##"),
            "es": ("6## ### ###", "+34 6## ### ###", "91 ### ## ##"),
            "it": ("3## #######", "+39 3## #######", "06 ########"),
            "zh": ("138########", "+86 139 #### ####", "010-8#######"),
        }[self._country]
        return self._pattern(self._random.choice(made)).replace("(1", "(2").replace("1 1", "1 2")

    def address(self) -> str:
        return re.sub(r"\s*\n\s*", ", ", self._fake.address())

    def date_of_birth(self) -> str:
        day = self._fake.date_of_birth(minimum_age=18, maximum_age=90)
        months = {
            "en": "January February March April May June July August September October November December",
            "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
            "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
            "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
            "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        }
        if self._country == "zh":
            return self._random.choice((f"{day.year}年{day.month}月{day.day}日", day.isoformat()))
        language = self._country.replace("uk", "en")
        month = months[language].split()[day.month - 1]
        numbers = {"en": f"{day:%m/%d/%Y}", "uk": f"{day:%d/%m/%Y}", "de": f"{day:%d.%m.%Y}"}
        words = {
            "en": f"{month} {day.day}, {day.year}",
            "de": f"{day.day}. {month} {day.year}",
            "es": f"{day.day} de {month} de {day.year}",
        }
        return self._random.choice(
            (numbers.get(self._country, f"{day:%d/%m/%Y}"), words.get(self._country, f"{day.day} {month} {day.year}"))
        )

    def iban(self) -> str:
        raw = self._fake.iban() if self._country not in ("en", "zh") else _cards().iban()
        return raw if self._random.random() < 0.5 else " ".join(raw[i : i + 4] for i in range(0, len(raw), 4))

    def card(self) -> str:
        raw = _cards().credit_card_number(card_type=self._random.choice(("visa16", "mastercard", "amex")))
        if len(raw) == 16 and self._random.random() < 0.6:
            by = self._random.choice(" -")
            return by.join(raw[i : i + 4] for i in range(0, 16, 4))
        return raw

    def passport(self) -> str:
        forms = {"en": "#########", "uk": "#########", "de": "C%?######", "fr": "##??#####", "es": "???######"}
        forms |= {"it": "??#######", "zh": "E########"}
        return self._pattern(forms[self._country])

    def national_id(self) -> str:
        if self._country == "de":
            # Alphabet of the identity card.
            return (
                "L"
                + self._letters(1, "CFGHJKLMNPRTVWXYZ")
                + self._letters(6, "CFGHJKLMNPRTVWXYZ0123456789")
                + self._digits(1)
            )
        if self._country == "es":
            return self._random.choice((self._fake.nif, self._fake.nie))()
        if self._country == "fr":
            raw = self._fake.ssn().replace(" ", "")
            return (
                raw
                if self._random.random() < 0.5
                else f"{raw[0]} {raw[1:3]} {raw[3:5]} {raw[5:7]} {raw[7:10]} {raw[10:13]} {raw[13:]}"
            )
        if self._country == "uk":
            raw = self._fake.ssn().replace(" ", "")
            return raw if self._random.random() < 0.5 else f"{raw[:2]} {raw[2:4]} {raw[4:6]} {raw[6:8]} {raw[8:]}"
        return self._fake.ssn()

    def tax_id(self) -> str:
        if self._country == "de":
            return self._steuer_id()
        if self._country == "fr":
            first = "1" + self._digits(9)
            return first + f"{int(first) % 511:03}"
        if self._country == "es":
            return self._fake.nif()
        if self._country == "it":
            return self._with_luhn(self._digits(10))
        if self._country == "uk":
            return self._digits(10)
        return self._random.choice((self._fake.itin, self._fake.ein))()

    def _steuer_id(self) -> str:
        # Ten digits of which one occurs twice, and one is missing.
        digits = self._random.sample(string.digits, 9)
        digits.append(self._random.choice(digits))
        self._random.shuffle(digits)
        if digits[0] == "0":
            return self._steuer_id()
        product = 10
        for digit in digits:
            product = ((int(digit) + product) % 10 or 10) * 2 % 11
        raw = "".join(digits) + str((11 - product) % 10)
        return raw if self._random.random() < 0.5 else f"{raw[:2]} {raw[2:5]} {raw[5:8]} {raw[8:]}"

    def _with_luhn(self, digits: str) -> str:
        for last in string.digits:
            total = sum(
                sum(divmod(2 * int(d), 10)) if place % 2 else int(d) for place, d in enumerate((digits + last)[::-1])
            )
            if total % 10 == 0:
                return digits + last
        raise AssertionError

    def ip(self) -> str:
        return self._fake.ipv4_public() if self._random.random() < 0.7 else self._fake.ipv6()

    def mac(self) -> str:
        return (
            self._fake.mac_address()
            if self._random.random() < 0.6
            else self._fake.mac_address().replace(":", "-").upper()
        )

    def url(self) -> str:
        token = self._letters(32, string.ascii_letters + string.digits)
        host = self._fake.domain_name()
        forms = (
            f"https://{host}/reset?token={token}",
            f"https://{host}/invite/{token}",
            f"https://user:{token[:12]}@{host}/files",
        )
        return self._random.choice(forms)

    def api_key(self) -> str:
        mixed = string.ascii_letters + string.digits
        forms = (
            "sk-" + self._letters(40, mixed),
            "ghp_" + self._letters(36, mixed),
            "AKIA" + self._letters(16, string.ascii_uppercase + string.digits),
            self._letters(32, "0123456789abcdef"),
            self._letters(40, mixed),
        )
        return self._random.choice(forms)

    def password(self) -> str:
        return self._fake.password(length=self._random.randint(8, 14), special_chars=self._random.random() < 0.6)

    def medical_record(self) -> str:
        return self._pattern(self._random.choice(("########", "MR-######", "??######", "######-##")))

    def license_plate(self) -> str:
        forms = {
            "en": ("???-####", "#???###", "??? ####"),
            "uk": ("??%# ???", "??%#???"),
            "de": ("B-?? %###", "M-? ###", "HH ?? %##"),
        }
        forms |= {
            "fr": ("??-###-??",),
            "es": ("#### ???",),
            "it": ("??###??", "?? ### ??"),
            "zh": ("京A#####", "沪B#?###", "粤B?####"),
        }
        plain = self._pattern(self._random.choice(forms[self._country]))
        # Letters that no plate has.
        return (
            re.sub("[IOQUÑ]", "B", plain)
            if self._country in ("fr", "it", "zh", "uk")
            else re.sub("[AEIOUQ]", "K", plain)
            if self._country == "es"
            else plain
        )

    def coordinates(self) -> str:
        north, east = self._random.uniform(-60, 70), self._random.uniform(-170, 170)
        forms = (f"{north:.5f}, {east:.5f}", f"{north:.4f},{east:.4f}", f"{abs(north):.4f}° N, {abs(east):.4f}° E")
        return self._random.choice(forms)
