"""Soundex (Russell 1918): one key for words that sound alike; digits and other scripts are kept as they are."""

from __future__ import annotations

_DIGITS = {
    letter: digit for digit, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), 1) for letter in letters
}
_LENGTH = 4


def soundex(word: str) -> str:
    """The first letter and the classes of three consonants after it; the word itself where it has no Latin letter."""
    if not (word and "a" <= word[0] <= "z"):
        return word
    key, last = word[0], _DIGITS.get(word[0])
    for letter in word[1:]:
        digit = _DIGITS.get(letter)
        if digit is not None and digit != last:
            key += str(digit)
            if len(key) == _LENGTH:
                break
        # H and W do not part equal consonants, vowels do.
        if letter not in "hw":
            last = digit
    return key
