"""Postal addresses by their grammar: a word for street with a name and number, then unit, postcode and town."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pg_llm.privacy.host.recognizers import Found


def _any(listed: str) -> str:
    return f"(?:{'|'.join(map(re.escape, listed.split()))})"


_NAME = r"[A-ZÀ-ÖØ-Þ][\w'\u2019.-]{0,30}"
# Small words in names of streets and towns.
_SMALL = _any(
    "da de di du del dei des della delle degli la las le les los el l' d' von van der den zum zur am im y e of"
)
_STREET_NAME = rf"(?:(?:{_SMALL}\s?){{0,3}}{_NAME}(?:[ -](?:{_SMALL}\s?){{0,3}}{_NAME}){{0,4}})"
_TOWN = rf"{_NAME}(?:[ -](?:{_SMALL} ?)?{_NAME}){{0,3}}"
_HOUSE = r"\d{1,5}(?: ?[a-zA-Z](?!\w))?(?:[-/]\d{1,4}[a-zA-Z]?)?(?: ?(?:bis|ter))?"
_ENGLISH = _any(
    "Street St Road Rd Avenue Ave Lane Ln Drive Dr Boulevard Blvd Court Ct Place Pl Square Sq Terrace Way Close"
    " Crescent Highway Hwy Parkway Pkwy Trail Alley Row Walk Gardens Grove Hill Mews Circle Cir Loop Path Pike Ridge"
    " Run View Crossing Bridge Turnpike Plaza Green Park Rise Vale Wharf Yard"
)
_SPANISH = _any(
    "Calle C/ Cl. Avenida Avda Avda. Av. Plaza Pza. Paseo Camino Carretera Ctra. Ronda Rambla Alameda Travesía Glorieta"
    " Callejón Pasaje Cuesta Cañada Urbanización Pasadizo Vial Acceso Vereda Vía"
)
_ITALIAN = _any(
    "Via Viale V.le Piazza P.za Piazzale Piazzetta Corso C.so Vicolo Largo Strada Contrada Borgo Salita Lungomare"
    " Lungarno Lungotevere Rotonda Calata Canale Stretto Incrocio"
)
_FRENCH = _any(
    "rue avenue av. boulevard bd chemin place impasse allée quai route cours square passage sentier faubourg ruelle"
)
_GERMAN = (
    rf"(?:[A-ZÄÖÜ][\wäöüß.-]{{1,30}}"
    rf"{_any('straße strasse str. weg platz allee gasse ring damm ufer steig graben markt hof berg')}"
    rf"|(?:[A-ZÄÖÜ][\wäöüß-]{{1,20}}[ -]){{1,3}}{_any('Straße Strasse Str. Weg Platz Allee Gasse Ring Damm Ufer')})"
)
_UNIT = (
    _any(
        "Apt Apartment Appartamento Suite Ste Unit Flat Studio Floor Piso Piano Puerta Escalera Bajo Int Interno Scala"
        " Etage App Wohnung Whg bât bâtiment appt Box Bloque"
    )
    + r"\.? ?(?:n[°º.] ?)?[A-Z0-9]{1,5}"
)
# What follows a street: unit, postcode, region in brackets or capitals, and town.
_PART = (
    rf"(?:{_UNIT}|{_HOUSE}(?![\w.]*\d{{3}})|(?:[A-Z]-)?\d{{4,5}}(?:-\d{{4}})?(?: {_TOWN})?"
    rf"|[A-Z]{{1,2}}\d[A-Z0-9]? ?\d[A-Z]{{2}}|[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?"
    rf"|(?!Tel|Fax|E-?[Mm]ail|Phone|Mobil|Handy){_TOWN}(?: [A-Z]{{2}})?(?: \d{{5}}(?:-\d{{4}})?)?)(?: ?\([A-Z]{{2}}\))?"
)
_ADDRESS = re.compile(
    rf"(?<!\w)(?:{_HOUSE},? (?:{_NAME} ){{1,4}}?{_ENGLISH}\.?(?!\w)"
    rf"|{_HOUSE},? {_FRENCH} {_STREET_NAME}"
    rf"|(?:{_SPANISH}|{_ITALIAN}) {_STREET_NAME},? (?:n[°º.] ?)?{_HOUSE}"
    rf"|{_GERMAN} {_HOUSE})(?!\w)(?:(?:,\s?|\s){_PART}){{0,6}}"
)
_CHINESE = re.compile(
    r"(?:[\u4e00-\u9fff]{2,8}?(?:省|自治区|特别行政区))?(?:[\u4e00-\u9fff]{2,6}?(?:市|自治州|盟))?"
    r"(?:[\u4e00-\u9fff]{1,6}?(?:区|县|旗))?[\u4e00-\u9fff]{1,8}?(?:路|街|道|巷|弄|胡同|村|镇|乡)(?:[东西南北中]?[一二三四五六七八九十]{1,2}段)?"
    r"(?:\d{1,5}(?:号|弄)?(?:楼|院)?|[A-Za-z]座)(?:\d{1,4}(?:栋|单元|室|号|楼|层)|[A-Za-z]座){0,4}(?:\s?\d{6})?"
)
_BEFORE_CHINESE = re.compile(r"(?:请|把|将|快递|包裹|货|寄|送|邮|到|至|在|于|我|家|住|地址|是|为)+")


def find(text: str) -> Iterator[Found]:
    """Addresses with a street and a number."""
    for match in _ADDRESS.finditer(text):
        yield "address", *match.span(), 0.8, "address"
    for match in _CHINESE.finditer(text):
        before = _BEFORE_CHINESE.match(match[0])
        yield "address", match.start() + (before.end() if before else 0), match.end(), 0.85, "cn_address"
