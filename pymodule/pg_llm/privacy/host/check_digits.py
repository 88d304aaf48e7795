"""Check digits of numbers that states and banks give out; each function is told the number without separators."""

from __future__ import annotations

import datetime
from collections import Counter

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_CIN = "10X98765432"
# Values of letters and digits at odd places of a codice fiscale (decree of 23 December 1976).
_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [int(value) for value in "1 0 5 7 9 13 15 17 19 21 1 0 5 7 9 13 15 17 19 21 2 4 18 20 11 3 6 8 12 14".split()]
        + [16, 10, 22, 25, 24, 23],
        strict=True,
    )
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: cards, and the partita IVA."""
    doubled = [int(d) if place % 2 else sum(divmod(2 * int(d), 10)) for place, d in enumerate(digits[::-1], 1)]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def is_date(year: str, month: str, day: str) -> bool:
    """Whether it is a day of the calendar."""
    try:
        datetime.date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def social_security(number: str) -> bool:
    """United States: areas 000, 666 and from 900, group 00 and serial 0000 were never given out."""
    return number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"


def nhs(number: str) -> bool:
    """United Kingdom, health service: modulus 11."""
    rest = -sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False)) % 11
    return len(set(number)) > 1 and rest == int(number[9])


def german_tax_id(number: str) -> bool:
    """Germany, Steuer-ID: ISO 7064 MOD 11,10; of the first ten digits one or two occur more than once."""
    repeated = [count for count in Counter(number[:10]).values() if count > 1]
    product = 10
    for digit in number[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return len(repeated) == 1 and repeated[0] <= 3 and (11 - product) % 10 == int(number[10])


def german_insurance(number: str) -> bool:
    """Germany, Rentenversicherungsnummer: sum of digits of weighted digits, the letter as two digits."""
    digits = f"{number[:8]}{ord(number[8]) - 64:02}{number[9:11]}"
    products = [int(digit) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)]
    return sum(map(int, "".join(map(str, products)))) % 10 == int(number[11])


def french_insurance(number: str) -> bool:
    """France, NIR: 97 less the rest of a division by 97; Corsica's departments count as 19 and 18."""
    digits = number.upper().replace("2A", "19").replace("2B", "18")
    return digits.isdigit() and 97 - int(digits[:13]) % 97 == int(digits[13:])


def french_tax(number: str) -> bool:
    """France, numéro fiscal: the rest of a division of the first ten digits by 511."""
    return int(number[:10]) % 511 == int(number[10:])


def spanish(number: str) -> bool:
    """Spain, DNI and NIE: a letter for the rest of a division by 23."""
    digits = number[:-1].upper().replace("X", "0").replace("Y", "1").replace("Z", "2")
    return digits.isdigit() and _DNI[int(digits) % 23] == number[-1].upper()


def spanish_company(number: str) -> bool:
    """Spain, CIF: Luhn's sum over seven digits, as digit or letter."""
    sums = [int(d) if place % 2 else sum(divmod(2 * int(d), 10)) for place, d in enumerate(number[1:8])]
    check = -sum(sums) % 10
    return number[8] in (str(check), "JABCDEFGHI"[check])


def codice_fiscale(code: str) -> bool:
    """Italy: a letter for the rest of a division by 26."""
    # Some letters of other alphabets are one of these in another case.
    if not code.isascii():
        return False
    code = code.upper()
    total = sum(
        int(each, 36) - 10 * each.isalpha() if place % 2 else _ODD[each] for place, each in enumerate(code[:15])
    )
    return chr(65 + total % 26) == code[15]


def resident_identity(number: str) -> bool:
    """China, 身份证 (GB 11643): ISO 7064 MOD 11-2 and a day of birth."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    return is_date(number[6:10], number[10:12], number[12:14]) and _CIN[total % 11] == number[17].upper()
