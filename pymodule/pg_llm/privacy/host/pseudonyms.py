"""Pseudonyms: the same for the same value under a key, and read back with it.

A value of digits stays one by FF1 (NIST SP 800-38G), a day is shifted by so many days as its person has, and any other
value becomes a token by AES-SIV (RFC 5297), which needs no number used once and notices a wrong key.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from ffx import FF1

from pg_llm.errors import InvalidInput
from pg_llm.privacy import kinds
from pg_llm.privacy.host import dates
from pg_llm.privacy.host.keys import Key

# Fewer digits have too few pseudonyms: draft revision 1 of SP 800-38G asks for a million.
_LEAST_DIGITS, _MOST_DIGITS = 6, 60
_TOKEN = re.compile(rf"\[({'|'.join((*kinds.DESCRIPTIONS,))}):([A-Za-z0-9_-]{{22,}})\]")
# Nothing but ASCII digits and what stands between them.
_NUMBER = re.compile(r"[0-9+() ./-]+")
# Days by which a person's dates are shifted at most.
_MOST_DAYS = 366


class Pseudonyms:
    """Those of one key."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._siv = AESSIV(key.derive("token", 64))
        self._ff1 = FF1(key.derive("digits", 32), radix=10)

    def token(self, kind: str, value: str) -> str:
        """The token of a value of a kind, which is not empty."""
        # Lone surrogates are no text that PostgreSQL has, and yet no reason to stop.
        sealed = self._siv.encrypt(value.encode("utf-8", "surrogatepass"), [kind.encode()])
        return f"[{kind}:{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}]"

    def reveal_tokens(self, text: str) -> str:
        """The text with what its tokens stand for; what is no token of this key stays."""
        return _TOKEN.sub(lambda match: self._opened(match[1], match[2], match[0]), text)

    def write(self, kind: str, value: str, subject: str | None) -> str:
        """The pseudonym of a whole value."""
        if kind in dates.KINDS:
            # Digits that stayed digits could not be told from a day that was shifted.
            return (subject is not None and self.shifted(value, subject)) or self.token(kind, value)
        if _is_number(value):
            return self._with_digits(value, self._ff1.encrypt(_digits(value), tweak=kind.encode()))
        return self.token(kind, value)

    def reveal(self, kind: str, pseudonym: str, subject: str | None) -> str:
        """The value behind `write`. Raises InvalidInput for a token of another key."""
        if match := _TOKEN.fullmatch(pseudonym):
            value = self._opened(match[1], match[2], "")
            if match[1] != kind or not value:
                raise InvalidInput("this is no pseudonym of that kind under this key")
            return value
        if kind in dates.KINDS:
            if subject is not None and (moved := dates.shift(pseudonym, -self.days(subject))):
                return moved
        elif _is_number(pseudonym):
            return self._with_digits(pseudonym, self._ff1.decrypt(_digits(pseudonym), tweak=kind.encode()))
        raise InvalidInput(
            "this is no pseudonym of that kind", hint="A day that was shifted is read back with the same subject."
        )

    def shifted(self, value: str, subject: str) -> str | None:
        """A day moved by the days of its person; None for what is no day, or could not be moved back."""
        days = self.days(subject)
        moved = dates.shift(value, days)
        return moved if moved and dates.shift(moved, -days) == value else None

    def days(self, subject: str) -> int:
        """By how many days a person's dates are shifted; never 0."""
        number = int.from_bytes(self._key.mac("days", subject)[:8], "big") % (2 * _MOST_DAYS)
        return number - _MOST_DAYS if number < _MOST_DAYS else number - _MOST_DAYS + 1

    def _opened(self, kind: str, token: str, otherwise: str) -> str:
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            value = self._siv.decrypt(sealed, [kind.encode()])
        except (InvalidTag, ValueError, binascii.Error):
            return otherwise
        return value.decode("utf-8", "surrogatepass")

    @staticmethod
    def _with_digits(value: str, digits: str) -> str:
        following = iter(digits)
        return "".join(next(following) if sign.isdigit() else sign for sign in value)


def _digits(value: str) -> str:
    return re.sub(r"[^0-9]", "", value)


def _is_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value)) and _LEAST_DIGITS <= len(_digits(value)) <= _MOST_DIGITS
