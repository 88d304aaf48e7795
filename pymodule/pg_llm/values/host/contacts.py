"""E-mail addresses and URLs, and the slips of typing them that can mean one address only."""

from __future__ import annotations

import re

from pg_llm.values.host.characters import plain

_MAX_LENGTH = 254
_DOMAIN = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}"
_EMAIL = re.compile(rf"[\w.!#$%&'*+/=?^`{{|}}~-]{{1,64}}@{_DOMAIN}")
_NAMED = re.compile(r"[^<>@]*<([^<>\s]+)>")
_REST = r"(?P<rest>(?::\d{1,5})?(?:[/?#]\S*)?)"
_SCHEME = r"(?P<scheme>https?|ftp)://(?P<user>[^\s/@]+@)?"
_URL = re.compile(rf"{_SCHEME}(?P<host>{_DOMAIN}|localhost|[\d.]{{7,15}}){_REST}", re.IGNORECASE)
_WWW = re.compile(rf"(?P<host>www\.{_DOMAIN}){_REST}", re.IGNORECASE)
_BARE = re.compile(rf"(?P<host>{_DOMAIN}){_REST}", re.IGNORECASE)
# htps://, http//, https:/ and the like.
_SCHEME_SLIP = re.compile(r"h?t{1,3}p{1,2}s?[:;.]?/{1,3}(?=[^\W_])|h?t{1,3}p{1,2}s?:(?=[^\W_])", re.IGNORECASE)
# Top-level domains that do not exist, each one slip from the one that is meant.
_TOP_LEVEL_SLIPS = {"con": "com", "cmo": "com", "ocm": "com", "comm": "com", "coom": "com", "nte": "net", "ogr": "org"}
# Providers of mail with more than a hundred million users: a domain one transposed, missing or doubled letter away is
# a slip.
_PROVIDERS = ("gmail.com", "hotmail.com", "yahoo.com", "outlook.com", "icloud.com")


def is_email(text: str) -> bool:
    """Whether it is written as an address is: something, one @, a domain of two parts or more."""
    return len(text) <= _MAX_LENGTH and bool(_EMAIL.fullmatch(text)) and ".." not in text and ".@" not in text


def email(text: str) -> str | None:
    """The address, its domain in lower case; None for what is no address, or several."""
    text = plain(text)
    if len(text) > _MAX_LENGTH:
        return None
    if match := _NAMED.fullmatch(text):
        text = match[1]
    text = re.sub(r"^(?:mailto|e-?mail):\s*", "", text, flags=re.IGNORECASE).strip("<>\"' ").rstrip(".,;: ")
    if not is_email(text):
        text = _without_slips(text)
    local, _, domain = text.rpartition("@")
    domain = domain.lower()
    name, _, ending = domain.rpartition(".")
    domain = _provider(f"{name}.{_TOP_LEVEL_SLIPS.get(ending, ending)}")
    return f"{local}@{domain}" if is_email(f"{local}@{domain}") else None


def _without_slips(text: str) -> str:
    text = re.sub(r" ?[(\[{] ?(?:at|@) ?[)\]}] ?", "@", text, flags=re.IGNORECASE)
    text = re.sub(r" ?[(\[{] ?(?:dot|punkt|point) ?[)\]}] ?", ".", text, flags=re.IGNORECASE)
    if text.count("@") == 1:
        # A comma for the point of a domain, and space around the signs.
        local, _, domain = text.partition("@")
        domain = re.sub(r"(?<=\w),(?=[^\W\d_]{2,4}$)", ".", domain.strip())
        text = local.strip() + "@" + re.sub(r"(?<=\w) ?\. ?(?=\w)", ".", domain)
    return text


def _provider(domain: str) -> str:
    for provider in _PROVIDERS:
        if domain != provider and _is_slip(domain, provider):
            return provider
    return domain


def _is_slip(domain: str, provider: str) -> bool:
    """Whether two letters side by side changed places, or one inner letter is missing or doubled."""
    name, wanted = domain.removesuffix(".com"), provider.removesuffix(".com")
    if not domain.endswith(".com") or abs(len(name) - len(wanted)) > 1:
        return False
    if len(name) == len(wanted):
        return any(wanted[:i] + wanted[i + 1] + wanted[i] + wanted[i + 2 :] == name for i in range(1, len(wanted) - 1))
    if len(name) < len(wanted):
        return any(wanted[:i] + wanted[i + 1 :] == name for i in range(1, len(wanted) - 1))
    return any(name[:i] + name[i + 1 :] == wanted and name[i] == name[i - 1] for i in range(1, len(name)))


def is_url(text: str) -> bool:
    """Whether it is a URL with its scheme, or begins with `www.`."""
    return len(text) <= 2000 and bool(_URL.fullmatch(text) or _WWW.fullmatch(text))


def url(text: str) -> str | None:
    """The URL with scheme and host in lower case; None where the text is none or lacks both scheme and `www.`."""
    text = text.strip()
    if len(text) > 2000:
        return None
    if match := _URL.fullmatch(text):
        user = match["user"] or ""
        return f"{match['scheme'].lower()}://{user}{match['host'].lower()}{match['rest']}"
    if match := _WWW.fullmatch(text):
        return f"http://{match['host'].lower()}{match['rest']}"
    return None


def url_without_slips(text: str, scheme: str | None = None) -> str | None:
    """The URL with a scheme that was mistyped put right, and `scheme` before one that has none; None for no URL."""
    text = plain(text).strip("<>\"' ,;")
    match = _SCHEME_SLIP.match(text)
    # A host begins with a letter or a digit, and w is a part of www.
    if match and match[0].lower() not in ("http://", "https://", "ftp://"):
        text = ("https" if "s" in match[0].lower() else "http") + "://" + text[match.end() :]
    elif match is None and scheme is not None and _BARE.fullmatch(text):
        text = f"{scheme}://{text}"
    return url(text)


def lacks_scheme(text: str, new: str) -> bool:
    """Whether a URL differs from the text by its scheme alone."""
    return new.endswith(f"://{text}")


def without_at_in_words(text: str) -> str:
    """`anna at example.com`, which is an address among addresses only, with the sign."""
    return re.sub(r"(?i)(?<=[\w.]) +at +(?=[\w-]+\.)", "@", text.strip())


def domain(text: str) -> str | None:
    """The host of a URL, without `www.`, or the domain of an e-mail address."""
    text = plain(text)
    if len(text) > 2000:
        return None
    if is_email(text):
        return text.rpartition("@")[2].lower()
    match = _URL.fullmatch(text) or _WWW.fullmatch(text) or _BARE.fullmatch(text)
    return match and match["host"].lower().removeprefix("www.")
