"""Names and codes of states and countries: Ohio is OH, Canada CA or CAN.

Countries as in ISO 3166, states of the USA by their postal codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_STATES = """
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware, FL Florida,
GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas, KY Kentucky, LA Louisiana, ME Maine,
MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi, MO Missouri, MT Montana, NE Nebraska,
NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York, NC North Carolina, ND North Dakota, OH Ohio,
OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas,
UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming, DC District of Columbia
"""
# Alpha-2 and alpha-3 code, names, and after a slash adjectives and demonyms.
_COUNTRIES = """
AF AFG Afghanistan/Afghan, AL ALB Albania/Albanian, DZ DZA Algeria/Algerian, AD AND Andorra, AO AGO Angola/Angolan,
AR ARG Argentina/Argentinian|Argentine, AM ARM Armenia/Armenian, AU AUS Australia/Australian,
AT AUT Austria/Austrian, AZ AZE Azerbaijan/Azerbaijani, BS BHS Bahamas, BH BHR Bahrain,
BD BGD Bangladesh/Bangladeshi, BB BRB Barbados, BY BLR Belarus/Belarusian, BE BEL Belgium/Belgian, BZ BLZ Belize,
BJ BEN Benin, BT BTN Bhutan, BO BOL Bolivia/Bolivian, BA BIH Bosnia and Herzegovina|Bosnia/Bosnian, BW BWA Botswana,
BR BRA Brazil/Brazilian, BN BRN Brunei, BG BGR Bulgaria/Bulgarian, BF BFA Burkina Faso, BI BDI Burundi,
KH KHM Cambodia/Cambodian, CM CMR Cameroon, CA CAN Canada/Canadian, CV CPV Cape Verde,
CF CAF Central African Republic, TD TCD Chad, CL CHL Chile/Chilean, CN CHN China/Chinese, CO COL Colombia/Colombian,
KM COM Comoros, CG COG Congo, CR CRI Costa Rica/Costa Rican, CI CIV Ivory Coast, HR HRV Croatia/Croatian,
CU CUB Cuba/Cuban, CY CYP Cyprus/Cypriot, CZ CZE Czech Republic|Czechia/Czech, DK DNK Denmark/Danish,
DJ DJI Djibouti, DO DOM Dominican Republic, EC ECU Ecuador/Ecuadorian, EG EGY Egypt/Egyptian, SV SLV El Salvador,
EE EST Estonia/Estonian, SZ SWZ Eswatini, ET ETH Ethiopia/Ethiopian, FJ FJI Fiji, FI FIN Finland/Finnish,
FR FRA France/French, GA GAB Gabon, GM GMB Gambia, GE GEO Georgia/Georgian, DE DEU Germany/German, GH GHA Ghana,
GR GRC Greece/Greek, GD GRD Grenada, GT GTM Guatemala, GN GIN Guinea, GY GUY Guyana, HT HTI Haiti, HN HND Honduras,
HK HKG Hong Kong, HU HUN Hungary/Hungarian, IS ISL Iceland/Icelandic, IN IND India/Indian,
ID IDN Indonesia/Indonesian, IR IRN Iran/Iranian, IQ IRQ Iraq/Iraqi, IE IRL Ireland/Irish, IL ISR Israel/Israeli,
IT ITA Italy/Italian, JM JAM Jamaica/Jamaican, JP JPN Japan/Japanese, JO JOR Jordan/Jordanian, KZ KAZ Kazakhstan,
KE KEN Kenya/Kenyan, KR KOR South Korea|Korea/Korean|South Korean, KP PRK North Korea/North Korean, KW KWT Kuwait,
KG KGZ Kyrgyzstan, LA LAO Laos, LV LVA Latvia/Latvian, LB LBN Lebanon/Lebanese, LR LBR Liberia, LY LBY Libya/Libyan,
LI LIE Liechtenstein, LT LTU Lithuania/Lithuanian, LU LUX Luxembourg, MG MDG Madagascar, MW MWI Malawi,
MY MYS Malaysia/Malaysian, MV MDV Maldives, ML MLI Mali, MT MLT Malta/Maltese, MR MRT Mauritania, MU MUS Mauritius,
MX MEX Mexico/Mexican, MD MDA Moldova, MC MCO Monaco, MN MNG Mongolia/Mongolian, ME MNE Montenegro,
MA MAR Morocco/Moroccan, MZ MOZ Mozambique, MM MMR Myanmar, NA NAM Namibia, NP NPL Nepal/Nepalese,
NL NLD Netherlands|Holland/Dutch, NZ NZL New Zealand, NI NIC Nicaragua, NE NER Niger, NG NGA Nigeria/Nigerian,
MK MKD North Macedonia, NO NOR Norway/Norwegian, OM OMN Oman, PK PAK Pakistan/Pakistani, PA PAN Panama,
PG PNG Papua New Guinea, PY PRY Paraguay, PE PER Peru/Peruvian, PH PHL Philippines/Philippine|Filipino,
PL POL Poland/Polish, PT PRT Portugal/Portuguese, PR PRI Puerto Rico, QA QAT Qatar, RO ROU Romania/Romanian,
RU RUS Russia|Russian Federation/Russian, RW RWA Rwanda, SA SAU Saudi Arabia/Saudi, SN SEN Senegal,
RS SRB Serbia/Serbian, SL SLE Sierra Leone, SG SGP Singapore/Singaporean, SK SVK Slovakia/Slovak,
SI SVN Slovenia/Slovenian, SO SOM Somalia, ZA ZAF South Africa/South African, ES ESP Spain/Spanish, LK LKA Sri Lanka,
SD SDN Sudan, SR SUR Suriname, SE SWE Sweden/Swedish, CH CHE Switzerland/Swiss, SY SYR Syria/Syrian,
TW TWN Taiwan/Taiwanese, TJ TJK Tajikistan, TZ TZA Tanzania, TH THA Thailand/Thai, TG TGO Togo,
TT TTO Trinidad and Tobago, TN TUN Tunisia/Tunisian, TR TUR Turkey/Turkish, TM TKM Turkmenistan, UG UGA Uganda,
UA UKR Ukraine/Ukrainian, AE ARE United Arab Emirates|UAE|Emirates,
GB GBR United Kingdom|UK|U.K|Great Britain|Britain/British,
US USA United States|United States of America|USA|U.S.A|US|U.S|America/American, UY URY Uruguay, UZ UZB Uzbekistan,
VE VEN Venezuela/Venezuelan, VN VNM Vietnam/Vietnamese, YE YEM Yemen, ZM ZMB Zambia, ZW ZWE Zimbabwe
"""
# Names that are common words too, or become one in lower case.
_AMBIGUOUS = {"us", "turkey", "chad", "jordan", "china", "polish", "indian", "georgia", "guinea", "virginia"}


def _entries(table: str) -> list[str]:
    return [" ".join(entry.split()) for entry in table.split(",")]


# For each kind of place the names and adjectives, each with all codes and names that a column may hold for it.
KINDS: dict[str, dict[str, frozenset[str]]] = {"state": {}, "country": {}}
CODES: dict[str, frozenset[str]] = {}
for _kind, _table, _codes in (("state", _STATES, 1), ("country", _COUNTRIES, 2)):
    for _entry in _entries(_table):
        *_its, _rest = _entry.split(" ", _codes)
        _names, _, _people = _rest.partition("/")
        _held = frozenset(each.lower() for each in (*_its, *_names.split("|")))
        for _name in (*_names.split("|"), *filter(None, _people.split("|"))):
            KINDS[_kind][_name] = _held
    CODES[_kind] = frozenset(held for its in KINDS[_kind].values() for held in its)
_PATTERNS = {
    kind: re.compile(
        rf"(?<![\w.])(?:{'|'.join(re.escape(name) for name in sorted(names, key=len, reverse=True))})\b", re.I
    )
    for kind, names in KINDS.items()
}
_CODES_BY_NAME = {kind: {name.lower(): held for name, held in names.items()} for kind, names in KINDS.items()}


def find_places(question: str) -> Iterable[tuple[str, frozenset[str], int, int]]:
    """The places that a question names: the kind, the codes and names that columns may hold, and the span."""
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(question):
            name = match[0].lower()
            written = match[0].isupper() if name in ("us", "u.s", "uk", "uae") else match[0][0].isupper()
            if written or (name not in _AMBIGUOUS and len(name) > 3):
                yield kind, _CODES_BY_NAME[kind][name], match.start(), match.end()
