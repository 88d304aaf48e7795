"""Recognizers of passwords and PINs in prose: a word for one, what ties a value to it, and a value unlike words.

What ties them is what speech has for it: a verb or a colon after the word, with some words between ("the password for
this is …"); the value as the subject, or with "as" ("use … as the password"); the value at the word itself; a name and
a value under a word for an account ("login: anna / …"); the value that somebody is to sign in with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pg_llm.privacy.host.recognizers import Found, Span

_WORD = (
    r"(?:(?<![^\W_])(?:(?:pass|kenn|ein(?:mal|weg)kenn|einmalpass)(?:word|wd|wort|wörter|code|phrase)s?|pwd?|passw|kennw"
    r"|mots? de passe|mdp|contrase(?:ñ|n)as?|clave(?: de acceso)?|parola d'ordine)(?![^\W_])|密码|口令)"
)
_PIN_WORD = (
    r"(?:(?<![^\W_])(?:(?:code |código |codice )?pin(?:[- ]?(?:code|nummer|number))?|passcode"
    r"|(?:one-time|otp|door|gate|entry|access|security|verification|confirmation|unlock|alarm|safe)[- ](?:pass)?code"
    r"|(?:tür|tor|zugangs|bestätigungs|sicherheits|freischalt|alarm|einmal|safe)-?code"
    r"|code (?:de la porte|d'accès|de vérification|de sécurité|de confirmation|du portail)"
    r"|código de (?:acceso|la puerta|verificación|seguridad|confirmación)"
    r"|codice (?:di accesso|della porta|di verifica|di sicurezza|di conferma))(?![^\W_])"
    r"|PIN码|验证码|门禁码|动态码)"
)
_ACCOUNT = (
    r"(?:(?<![^\W_])(?:log ?-?in(?: details| data)?|sign-?in|credentials?|account|zugangsdaten|anmeldedaten|logindaten"
    r"|zugang|identifiants?|connexion|credenciales|acceso|credenziali|accesso)(?![^\W_])|账号|帐号|登录信息)"
)
_SIGN_IN = (
    r"(?:(?<![^\W_])(?:(?:log|sign)(?:ged|ging|s)? ?(?:in|on)|unlocks?|anmelden|melde dich|melden Sie sich|einloggen"
    r"|logge? dich|connecte(?:z|r)?(?:-(?:toi|vous))?|entra(?:r|te)?|accedi|accede|inicia sesión)(?![^\W_])|登录)"
)
_WIFI = r"(?:(?<![^\W_])(?:wi-?fi|wlan|hotspot|ssid)(?![^\W_])|无线网)"
_WORDS = re.compile(_WORD, re.IGNORECASE)
# Ties a value to the word before it.
_TIE = re.compile(
    r"\s{0,3}[:=→\uff1a]\s{0,3}|\s-{1,2}\s|\s*\(\s*|(?<!\w)(?:is|was|are|be|to|now|lautet|ist|war|auf|nun|jetzt"
    r"|est|était|sera|à|maintenant|es|era|a|ahora|è|sarà|adesso|ora|it's|c'est|enter|type)\s*:?\s+"
    r"|\s?(?:是|为|改?成了?|改为)\s?",
    re.IGNORECASE,
)
# Characters between the word and what ties a value to it, in the same sentence.
_REACH = 70
# Between the word and a value without a tie; in Chinese nothing.
_NEXT_TO = re.compile(r"\s{0,3}")
_SENTENCE_END = re.compile(r"[.!?]\s|[\n。\uff01\uff1f]")
_VALUE = r"(?P<value>[!-&(-;=?-~\u00a1-\u024f]{4,64})"
_AT_TIE = re.compile(rf"[\"'«“„「]\s?(?P<quoted>[^\s\"'«»“”」]{{4,64}})\s?[\"'»”“」]|{_VALUE}")
_AS = (
    r"\s?(?:(?<![^\W_])(?:is|was|as|for|ist|war|als|est|comme|es|como|era|è|come)(?![^\W_])|是|作为|作)"
    r"[^.!?\n。]{0,25}?"
)
_NAME = r"[\w.@+-]{2,64}"
_AND = r"\s*(?:/|\||,|(?<= )(?:and|und|et|y|e)(?= )|和)\s*"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?<![!-~]){_VALUE}{_AS}{_WORD}",
        rf"{_ACCOUNT}[^.!?\n。\uff01\uff1f]{{0,60}}?(?:[:\uff1a]|is|are|sind|sont|son|sono|still)\s*{_NAME}{_AND}{_VALUE}",
        rf"{_SIGN_IN}[^.!?\n。\uff01\uff1f]{{0,60}}?(?<!\w)(?:with|using|mit|avec|con)\s+{_VALUE}",
        rf"(?:用|使用|输入)\s?{_VALUE}\s?{_SIGN_IN}",
        rf"{_WIFI}[^.!?\n。]{{0,25}}?[:=\uff1a]\s*{_VALUE}",
        r"(?<![^\s\"'/])[\w.-]{1,40}:(?P<value>[^\s:@/\"']{4,64})@[\w-]+(?:\.[\w-]+)+",
    )
)
_PIN = re.compile(
    rf"{_PIN_WORD}(?:\s{{0,3}}[:=\uff1a]?\s{{0,3}}|[^.!?\n\d。]{{0,30}}?(?:(?<!\w)(?:is|was|to|enter|ist|war|auf|lautet|est"
    r"|à|es|era|è|a|:)\s{1,3}|[是为])\s?)(?P<value>\d{4,8})(?![A-Za-z0-9_%€$]|[.,:-]\d)",
    re.IGNORECASE,
)
# Numbers with units, versions, times and days, and names that norms, algorithms, rooms and tickets have.
_HARMLESS = re.compile(
    r"v?\d++(?:[.,:/-]\d++)*+[.%]?|\d++(?:[.,]\d++)?+-?[^\W\d]{1,12}|[A-Z]{1,6}[-_]?\d{1,6}[A-Za-z]?"
    r"|(?:sha|md|aes|rsa|base|utf|bcrypt|argon)-?\d[\w-]*+|[a-z]++(?:_[a-z]++)*+_(?:19|20)\d\d"
)
# Files, paths and functions.
_NAMED = re.compile(r"/|\.[A-Za-z]\w{1,3}\Z|\(\)?\Z")
_SIGNS = re.compile(r"[!@#$%^&*+=?~]")


def find(text: str) -> Iterator[Found]:
    """Passwords and PINs."""
    spans = [*_behind_words(text), *(match.span("value") for form in _FORMS for match in form.finditer(text))]
    for start, last in spans:
        end = start + len(_bare(text[start:last]))
        if _is_chosen(text[start:end]):
            yield "password", start, end, 0.9, "password_in_prose"
    for match in _PIN.finditer(text):
        yield "password", *match.span("value"), 0.9, "pin"


def _behind_words(text: str) -> Iterator[Span]:
    """What is tied to a word for password that stands before it: what follows at once, or what a tie leads to."""
    for word in _WORDS.finditer(text):
        over = _SENTENCE_END.search(text, word.end(), word.end() + _REACH)
        last = over.start() if over else word.end() + _REACH
        starts = [tie.end() for tie in _TIE.finditer(text, word.end(), last)]
        if (next_to := _NEXT_TO.match(text, word.end())) and (next_to[0] or "\u4e00" <= word[0][-1] <= "\u9fff"):
            starts.append(next_to.end())
        for start in starts:
            if value := _AT_TIE.match(text, start):
                yield value.span("quoted" if value["quoted"] else "value")


def _bare(value: str) -> str:
    """A value without what ends a clause or sentence."""
    return value.rstrip(".,;:)]}>'\"")


def _is_chosen(value: str) -> bool:
    """Whether letters stand with figures or signs in a way that they do in no word, number, name or date."""
    has_letter, has_digit = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    if not has_letter or _HARMLESS.fullmatch(value) or _NAMED.search(value):
        return False
    return has_digit or bool(_SIGNS.search(value[:-1]))
