"""Recognizers of phones, addresses of mail and networks, accounts and cards, days of birth, records and places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pg_llm.classify.host import entity_patterns
from pg_llm.privacy.host.recognizers import Found, Recognizer, is_near, is_right_behind, number, words

REGIONS = {"en": ("US", "GB"), "de": ("DE",), "fr": ("FR",), "es": ("ES",), "it": ("IT",), "zh": ("CN",)}
_PHONE = words(
    "phone, telephone, tel, call, mobile, cell, fax, ring, text me, telefon, handy, mobil, rückruf, anruf,"
    " rufen, nummer, téléphone, telephone, portable, rappel, appel, joindre, teléfono, telefono, móvil, movil, llam,"
    " cellulare, chiam, richiam, whatsapp, sms, 电话, 手机, 号码, 致电, 联系, 传真"
)
# What a phone number has and an amount, a date or a code has not.
_PHONE_FORM = re.compile(r"\+|\(?0\d|\(\d{3}\)|\d{3}[-. ]\d{3}[-. ]\d{4}|[679]\d{2} ?\d{2,3} ?\d{2,3}|1[3-9]\d{9}")
_LEAST_DIGITS = 7
_DIGITS = re.compile(rf"(?:\d\W{{0,4}}){{{_LEAST_DIGITS - 1}}}\d")
_PLUS = re.compile("[+\uff0b]")
_DATE_LIKE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}")

# Numbers of software have the form of addresses.
_VERSION = words("version, versión, versione, build, release, firmware, revision, 版本")

_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|jän|mär|mai|okt|dez|janv|fév|avr|juin|juil|aoû|août|déc"
    r"|ene|abr|ago|dic|gen|mag|giu|lug|set|ott)[a-zäéûç]{0,9}\.?"
)
_DATE_FORMS = (
    rf"\d{{1,2}}[./-]\d{{1,2}}[./-](?:19|20)?\d{{2}}|(?:19|20)\d{{2}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|º)?\.?(?: de| of)? {_MONTH},?(?: de[l]?)? (?:19|20)\d{{2}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d{{2}}|(?:19|20)\d{{2}} ?年 ?\d{{1,2}} ?月 ?\d{{1,2}} ?[日号]"
)
_BIRTH = words(
    "born, birth, birthday, dob, d.o.b, birthdate, geboren, geb., geburtstag, geburtsdatum, né, née, naissance,"
    " nacido, nacida, nací, naci, nacimiento, nato, nata, nascita, 出生, 生日, 生于"
)
_RECORD = words(
    "mrn, medical record, record number, record no, patient id, patient no, patient number, chart number, fallnummer,"
    " patientennummer, patienten-nr, krankenakte, aktennummer, dossier médical, dossier medical, dossier patient,"
    " historia clínica, historia clinica, expediente médico, cartella clinica, cartella n, 病历号, 病历, 住院号, 门诊号"
)
_AGE = re.compile(
    r"(?<=aged )\d{1,3}(?!\w)|(?<=im Alter von )\d{1,3}|(?<=âgé de )\d{1,3}|(?<=âgée de )\d{1,3}|(?<=年龄)\d{1,3}"
    r"|(?<![A-Za-z0-9.])\d{1,3}(?=[- ]years?[- ](?:old|of age)| Jahre alt|-jährig| (?:ans|años|anni)(?!\w)|岁)",
    re.IGNORECASE,
)
_PAIR = r"[-+]?\d{1,3}\.\d{3,12}°?(?: ?[NnSs])?"
_MINUTES = r"° ?\d{1,2}[′'] ?(?:\d{1,2}(?:\.\d+)?[″\"])? ?"  # noqa: RUF001 - minutes and seconds
_COORDINATES = re.compile(
    rf"(?<![A-Za-z0-9.]){_PAIR}(?:\s?[,;/]\s?|\s){_PAIR.replace('NnSs', 'EeWwOo')}(?![A-Za-z0-9.]\d)"
    rf"|\d{{1,2}}{_MINUTES}[NS],? ?\d{{1,3}}{_MINUTES}[EWO]"
)

_DATE = re.compile(rf"(?<![A-Za-z0-9])(?:{_DATE_FORMS})(?!\d)", re.IGNORECASE)
_MAC = r"[0-9A-Fa-f]{2}(?P<by>[:-])(?:[0-9A-Fa-f]{2}(?P=by)){4}[0-9A-Fa-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}"

RECOGNIZERS = (
    Recognizer("date_of_birth", "date_of_birth", _DATE, 0, 0.9, _BIRTH),
    Recognizer("date", "date", _DATE, 0.7),
    Recognizer("age", "age", _AGE, 0.8),
    Recognizer(
        "medical_record",
        "medical_record",
        number(r"(?=[A-Z-]{0,6}\d)[A-Z0-9](?:[A-Z0-9/-]{2,16}[A-Z0-9])"),
        0,
        0.85,
        _RECORD,
    ),
    Recognizer("mac", "mac", number(_MAC), 0.95),
)


def phones(text: str, languages: Sequence[str]) -> Iterator[Found]:
    """Phone numbers: those with a country's code, and valid ones of the languages' countries."""
    # The library looks at every digit once for each country, which takes most of the time of all patterns together.
    if not _DIGITS.search(text):
        return
    import phonenumbers

    # Without a country, only what begins with a plus is a number.
    regions = ([None] if _PLUS.search(text) else []) + [each for language in languages for each in REGIONS[language]]
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region):
            start, end, raw = match.start, match.end, match.raw_string
            if region is None:
                yield "phone", start, end, 0.97, "phone_international"
            elif _DATE_LIKE.fullmatch(raw) or sum(map(str.isdigit, raw)) < _LEAST_DIGITS:
                continue
            elif is_near(_PHONE, text, start, end):
                yield "phone", start, end, 0.9, f"phone_{region.lower()}"
            elif _PHONE_FORM.match(raw):
                yield "phone", start, end, 0.6, f"phone_{region.lower()}"


def of_networks_and_banks(text: str) -> Iterator[Found]:
    """Addresses of mail and networks, and numbers of accounts and cards that pass their check."""
    for start, end in entity_patterns.emails(text):
        yield "email", start, end, 0.99, "email"
    for start, end in entity_patterns.ibans(text):
        yield "iban", start, end, 0.99, "iban"
    for start, end in entity_patterns.cards(text):
        yield "card", start, end, 0.95, "card"
    for start, end in entity_patterns.ip_addresses(text):
        if not is_right_behind(_VERSION, text, start):
            yield "ip", start, end, 0.9, "ip"


def coordinates(text: str) -> Iterator[Found]:
    """Latitude and longitude, in decimal degrees or in degrees, minutes and seconds."""
    return (("coordinates", *match.span(), 0.9, "coordinates") for match in _COORDINATES.finditer(text))
