"""Recognizers of secrets: keys of interfaces, passwords, addresses of pages that let their reader in."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from pg_llm.classify.host import entity_patterns
from pg_llm.privacy.host.recognizers import Found, is_near, words

# Keys that their makers gave a beginning of its own, for being found.
_ISSUED = re.compile(
    r"(?<![A-Za-z0-9_-])(?:sk-[A-Za-z0-9_-]{16,200}|[spr]k_(?:live|test)_[A-Za-z0-9]{16,99}|gh[pousr]_[A-Za-z0-9]{30,99}"
    r"|github_pat_\w{30,99}|glpat-[\w-]{20,64}|xox[abposr]-[A-Za-z0-9-]{10,99}|A(?:KIA|SIA)[A-Z0-9]{16}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,200}|hf_[A-Za-z0-9]{30,40}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,250}"
    r"|SG\.[\w-]{22}\.[\w-]{43}|eyJ[\w-]{10,2000}\.[\w-]{10,4000}\.[\w-]{10,1000})(?![A-Za-z0-9_-])",
    re.ASCII,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s]{20,8000}-----END [A-Z ]{0,20}KEY-----"
)
_RANDOM = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+/-]{16,200}={0,2}(?![A-Za-z0-9_+/=-])")
_KEY_WORDS = words(
    "api key, api-key, api_key, apikey, api token, api-token, api_token, access key, access_key, access token,"
    " access_token, auth token, auth_token, bearer, client secret, client_secret, secret, token, key, clé, clave,"
    " chiave, schlüssel, api-schlüssel, jeton, 密钥, 令牌"
)
# After the word an equals sign, a colon or a verb, and then no space, quote or bracket.
_PASSWORD = re.compile(
    r"(?:(?<![^\W\d])(?:pass(?:word|wd|wort|code|phrase)?|pwd|kennwort|mot de passe|mdp|contraseña|clave de acceso"
    r"|parola d'ordine)(?:\"|')?(?:\s{0,3}[:=]\s{0,3}|\s+(?:is|was|lautet|ist|est|es|è|era|:)\s*:?\s*)"
    r"|(?:密码|口令)\s{0,3}(?:是|为|[:=：])\s{0,3})[\"'«“]?(?P<value>[^\s\"'<>«»“”，。；、]{4,64})",  # noqa: RUF001
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(
    r"(?:token|key|secret|sig|signature|auth|code|password|pwd|session|sid|otp|reset|jwt|email)", re.IGNORECASE
)


def keys(text: str) -> Iterator[Found]:
    """Keys by their beginnings, and random letters and digits beside a word that calls them a key."""
    for pattern in (_ISSUED, _PRIVATE_KEY):
        yield from (("api_key", *match.span(), 0.98, "issued_key") for match in pattern.finditer(text))
    for match in _RANDOM.finditer(text):
        if _is_random(match[0]) and is_near(_KEY_WORDS, text, *match.span()):
            yield "api_key", *match.span(), 0.8, "random_key"


def passwords(text: str) -> Iterator[Found]:
    """What follows a word for password and an equals sign, a colon or a verb."""
    for match in _PASSWORD.finditer(text):
        value = match["value"].rstrip(".,;:)]}")
        # A word of small letters goes on with the sentence: the password is wrong.
        letters = value.replace("-", "")
        if len(value) >= 4 and not (letters.isalpha() and (letters.islower() or value.istitle())):
            yield "password", match.start("value"), match.start("value") + len(value), 0.9, "password"


def links(text: str) -> Iterator[Found]:
    """Addresses of pages with a name and password, a token or a person's name or address in them."""
    for start, end in entity_patterns.urls(text):
        if _is_personal(text[start:end]):
            yield "url", start, end, 0.995, "url_credentials"


def _is_personal(url: str) -> bool:
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query or parts.fragment, max_num_fields=100)
    except ValueError:
        return False
    if "@" in parts.netloc or any(_is_random(step) for step in parts.path.split("/")):
        return True
    return any(_is_random(value) or (value and _CREDENTIALS.search(name)) for name, value in query)


def _is_random(code: str) -> bool:
    """Letters and digits mixed, of more than three bits a character (Shannon 1948)."""
    if len(code) < 16 or not re.search(r"\d", code) or not re.search(r"[A-Za-z]", code):
        return False
    counts = Counter(code).values()
    return -sum(count / len(code) * math.log2(count / len(code)) for count in counts) > 3
