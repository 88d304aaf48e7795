"""Numbers that states give out: identity, tax, insurance, passports and number plates of seven countries."""

from __future__ import annotations

import re

from pg_llm.privacy.host import check_digits
from pg_llm.privacy.host.recognizers import Recognizer, number, words

_IDENTITY = words(
    "identity, id card, id no, id number, identification, national id, ausweis, personalausweis, carte d'identit, cni,"
    " carta d'identit, carta di identit, documento, dni, nie, nif, ssn, social security, national insurance,"
    " ni number, nino, sécurité sociale, securite sociale, nir, insee, sozialversicherung, rentenversicherung, svnr,"
    " versicherungsnummer, codice fiscale, cod. fisc, c.f., 身份证, 证件号"
)
_TAX = words(
    "tax, tin, itin, ein, utr, vat, steuer, ust, umsatzsteuer, fiscal, impôt, impot, tva, siren, spi, nif, cif,"
    " iva, partita, p.iva, codice fiscale, fiscale, hacienda, tributari, 税号, 纳税"
)
_PASSPORT = words("passport, passeport, pasaporte, passaporto, reisepass, pass-nr, passnummer, 护照")
_PLATE = words(
    "plate, number plate, licence plate, license plate, registration, vehicle, car, van, truck, kennzeichen, wagen,"
    " auto, fahrzeug, pkw, nummernschild, immatricul, plaque, voiture, véhicule, vehicule, matrícula, matricula, coche,"
    " vehículo, targa, targat, macchina, veicolo, 车牌, 号牌, driver of, parked"
)
# Words that no other number stands beside, for plates of no form that is known.
_PLATE_SAID = words(
    "plate, number plate, licence plate, license plate, kennzeichen, immatricul, matrícula, matricula, targa, targat,"
    " driver of"
)
_ANY_PLATE = (
    r"(?=[A-Z0-9 -]{0,8}\d)(?=[\d -]{0,6}[A-Z])[A-Z0-9]{2,4}[ -][A-Z0-9]{2,5}"
    r"|(?=[A-Z]{0,4}\d)(?=\d{0,4}[A-Z])[A-Z0-9]{5,8}"
)
_HEALTH = words("nhs, health service, patient, hospital, gp, medical")
_LICENCE = words(
    "driving licence, driving license, driver's licen, drivers licen, driver licen, licence no, license no,"
    " führerschein, permis de conduire, permiso de conducir, patente, 驾驶证"
)
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
# Goods that have numbers of the form of a social security number.
_GOODS = words("lot, batch, serial, part, model, sku, charge, lote, lotto, partida, 批号, 批次, 型号")
_ANY_CASE = re.IGNORECASE

RECOGNIZERS = (
    # Identity.
    Recognizer(
        "us_ssn",
        "national_id",
        number(r"\d{3}-\d{2}-\d{4}"),
        0.8,
        0.95,
        _IDENTITY,
        check_digits.social_security,
        _GOODS,
    ),
    Recognizer(
        "us_ssn_plain", "national_id", number(r"\d{3} ?\d{2} ?\d{4}"), 0, 0.7, _IDENTITY, check_digits.social_security
    ),
    Recognizer(
        "uk_nino",
        "national_id",
        number(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:\d{2} ?){3}[A-D]", _ANY_CASE),
        0.85,
        0.98,
        _IDENTITY,
    ),
    Recognizer(
        "de_identity_card",
        "national_id",
        number(r"(?=[A-Z0-9]{0,9}\d)[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z0-9]{8}\d?D?"),
        0,
        0.9,
        words("ausweis, personalausweis, identity card, id card"),
    ),
    Recognizer(
        "de_insurance",
        "national_id",
        number(r"\d{2} ?\d{6} ?[A-Z] ?\d{3}"),
        0.85,
        0.98,
        _IDENTITY,
        check_digits.german_insurance,
    ),
    Recognizer(
        "fr_nir",
        "national_id",
        number(r"[1-478] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", _ANY_CASE),
        0.95,
        0.99,
        _IDENTITY,
        check_digits.french_insurance,
    ),
    Recognizer("fr_identity_card", "national_id", number(r"\d{12}|[A-Z0-9]{9}"), 0, 0.7, words("carte d'identit, cni")),
    Recognizer(
        "es_dni",
        "national_id",
        number(r"(?:\d{8}|[XYZ][- ]?\d{7})[- ]?[A-Z]", _ANY_CASE),
        0.85,
        0.97,
        _IDENTITY,
        check_digits.spanish,
    ),
    Recognizer(
        "it_codice_fiscale",
        "national_id",
        number(r"[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", _ANY_CASE),
        0.95,
        0.99,
        _IDENTITY,
        check_digits.codice_fiscale,
    ),
    Recognizer(
        "it_identity_card",
        "national_id",
        number(r"C[A-Z]\d{5}[A-Z]{2}|A[A-Z] ?\d{7}"),
        0,
        0.85,
        words("carta d'identit, carta di identit, documento, identity card"),
    ),
    Recognizer(
        "cn_identity",
        "national_id",
        number(r"[1-9]\d{5}(?:18|19|20)\d{9}[\dX]", _ANY_CASE),
        0.97,
        0.99,
        _IDENTITY,
        check_digits.resident_identity,
    ),
    Recognizer("driving_licence", "national_id", number(r"(?=(?:[A-Z]*\d){3})[A-Z0-9]{8,18}"), 0, 0.7, _LICENCE),
    # Tax.
    Recognizer("us_itin", "tax_id", number(r"9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}"), 0.8, 0.95, _TAX),
    Recognizer("us_ein", "tax_id", number(r"\d{2}-\d{7}"), 0, 0.8, _TAX),
    Recognizer("uk_utr", "tax_id", number(r"\d{5} ?\d{5}"), 0, 0.7, words("utr, unique taxpayer, tax reference")),
    Recognizer(
        "de_tax_id",
        "tax_id",
        number(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"),
        0.6,
        0.97,
        _TAX,
        check_digits.german_tax_id,
    ),
    Recognizer("de_tax_number", "tax_id", number(r"\d{2,3}/\d{3,4}/\d{4,5}"), 0.5, 0.9, _TAX),
    Recognizer("eu_vat", "tax_id", number(r"DE ?\d{9}|FR ?[A-Z0-9]{2} ?\d{9}|IT ?\d{11}|GB ?\d{9}"), 0.6, 0.9, _TAX),
    Recognizer(
        "fr_tax", "tax_id", number(r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}"), 0, 0.9, _TAX, check_digits.french_tax
    ),
    Recognizer("es_nif", "tax_id", number(r"(?:\d{8}|[XYZ]\d{7})-?[A-Z]"), 0, 0.98, words("nif"), check_digits.spanish),
    Recognizer(
        "es_cif",
        "tax_id",
        number(r"[A-HJNP-SUVW]-?\d{7}[0-9A-J]"),
        0.6,
        0.9,
        _TAX,
        check_digits.spanish_company,
    ),
    Recognizer(
        "it_partita_iva", "tax_id", number(r"(?:IT ?)?\d{11}"), 0, 0.95, _TAX, lambda it: check_digits.luhn(it[-11:])
    ),
    Recognizer("tax_number", "tax_id", number(r"[A-Z]{0,3}\d[\d ./-]{6,14}\d[A-Z]?"), 0, 0.6, _TAX),
    # Passports.
    Recognizer("passport", "passport", number(r"(?=(?:[A-Z]*\d){3})[A-Z0-9]{7,9}"), 0, 0.95, _PASSPORT),
    Recognizer("cn_passport", "passport", number(r"(?:E[A-HJ-NP-Z]?|G|D|S|P|H)\d{7,8}"), 0, 0.97, _PASSPORT),
    # Health.
    Recognizer(
        "uk_nhs",
        "medical_record",
        number(r"\d{3}[ -]\d{3}[ -]\d{4}|\d{10}"),
        0,
        0.9,
        _HEALTH,
        check_digits.nhs,
    ),
    # Number plates.
    Recognizer("uk_plate", "license_plate", number(r"[A-Z]{2}\d{2} ?[A-Z]{3}"), 0.6, 0.9, _PLATE),
    Recognizer(
        "de_plate",
        "license_plate",
        number(r"[A-ZÄÖÜ]{1,3}[- :][A-Z]{1,2}[ -]?[1-9]\d{0,3}[EH]?"),
        0,
        0.9,
        _PLATE,
    ),
    Recognizer("fr_plate", "license_plate", number(r"[A-HJ-NP-TV-Z]{2}-\d{3}-[A-HJ-NP-TV-Z]{2}"), 0.7, 0.95, _PLATE),
    Recognizer("es_plate", "license_plate", number(r"\d{4}[ -]?[B-DF-HJ-NPR-TV-Z]{3}"), 0, 0.9, _PLATE),
    Recognizer("it_plate", "license_plate", number(r"[A-HJ-NPR-TV-Z]{2} ?\d{3} ?[A-HJ-NPR-TV-Z]{2}"), 0.5, 0.9, _PLATE),
    Recognizer(
        "cn_plate",
        "license_plate",
        re.compile(rf"[{_PROVINCES}][A-HJ-Z][·\- ]?[A-HJ-NP-Z0-9]{{4,5}}[A-HJ-NP-Z0-9挂学警港澳](?![A-Za-z0-9])"),
        0.95,
    ),
    Recognizer("plate", "license_plate", number(_ANY_PLATE), 0, 0.6, _PLATE_SAID),
)
