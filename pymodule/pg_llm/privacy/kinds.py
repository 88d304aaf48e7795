"""Kinds of personal data, what models of entities call them, and the languages that patterns know."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm import arguments
from pg_llm.errors import InvalidInput

LANGUAGES = ("en", "de", "fr", "es", "it", "zh")

# For a language model, in its own words.
DESCRIPTIONS = {
    "person": "the name of a person",
    "email": "an e-mail address",
    "phone": "a telephone or fax number",
    "address": "a postal address or the part of one that is given",
    "date_of_birth": "the day on which somebody was born",
    "iban": "an international bank account number",
    "bank_account": "a bank account or routing number that is no IBAN",
    "card": "the number of a payment card",
    "passport": "the number of a passport",
    "national_id": "the number of an identity card, social security or driving licence",
    "tax_id": "a tax number of a person or company",
    "ip": "an IP address",
    "mac": "the MAC address of a device",
    "url": "a web address that holds a token, a password or a person's name",
    "api_key": "a key or token of an interface",
    "password": "a password",
    "medical_record": "the number of a patient or medical record",
    "license_plate": "the number plate of a vehicle",
    "coordinates": "geographic coordinates",
    "organization": "the name of a company, office or other organisation",
    "location": "a city, region or country",
    "date": "a calendar date",
    "age": "the age of a person",
}
# Found only where they are asked for: they do not tell who somebody is.
OPTIONAL = ("organization", "location", "date", "age")
DEFAULT = tuple(kind for kind in DESCRIPTIONS if kind not in OPTIONAL)

# What models of entities call them.
OF_LABELS = {
    "PERSON": "person",
    "PER": "person",
    "GIVEN_NAME": "person",
    "SURNAME": "person",
    "EMAIL": "email",
    "PHONE": "phone",
    "TAX_ID": "tax_id",
    "BANK_ACCOUNT": "bank_account",
    "ROUTING_NUMBER": "bank_account",
    "GOVERNMENT_ID": "national_id",
    "DRIVERS_LICENSE": "national_id",
    "PASSPORT": "passport",
    "BUILDING_NUMBER": "address",
    "STREET_NAME": "address",
    "SECONDARY_ADDRESS": "address",
    "ZIP_CODE": "address",
    "CITY": "location",
    "STATE": "location",
    "GPE": "location",
    "LOC": "location",
    "ORG": "organization",
}


def checked(kinds: Sequence[str | None] | None) -> list[str]:
    """The kinds that were asked for, by default all that are personal. Raises InvalidInput for an unknown one."""
    if kinds is None:
        return list(DEFAULT)
    if not kinds:
        raise InvalidInput("kinds must not be empty", hint="Leave it out for all kinds.")
    return [arguments.choice("kind of personal data", kind, DESCRIPTIONS) for kind in dict.fromkeys(kinds)]


def languages(language: str | None) -> list[str]:
    """The language whose phone numbers are known without the code of a country; NULL is all of them."""
    return list(LANGUAGES) if language is None else [arguments.choice("language", language, LANGUAGES)]
