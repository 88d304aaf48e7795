"""Truth values in many languages."""

from __future__ import annotations

from pg_llm.values.host.characters import plain

# Words that are yes in one language and no in another (Greek `ne` has other letters) are left out.
_TRUE = frozenset(
    """
    true t yes y on 1 1.0 1,0 yep yeah enabled
    ja j wahr richtig oui vrai o sí si verdadero cierto sim verdadeiro vero sant sand tosi kyllä sann ano
    tak prawda igen igaz da adevărat evet doğru да истина так є ναι نعم כן हाँ हां
    是 对 對 真 はい 예 네 vâng có đúng ya benar ✓ ✔ ☑ ✅
""".split()
)
_FALSE = frozenset(
    """
    false f no n off 0 0.0 0,0 nope disabled
    nein falsch non faux falso não nao nej falsk ei väärä nepravda nie fałsz nem hamis nu fals hayır yanlış
    нет ложь ні όχι
    لا לא नहीं
    否 不 错 錯 假 いいえ 아니오 아니요 không sai tidak salah ✗ ✘ ☐ ❌
""".split()
)


def parse_in_list(text: str) -> bool | None:
    """The same among answers of yes and no, where a cross stands for yes."""
    return True if plain(text).casefold() == "x" else parse(text)


def parse(text: str) -> bool | None:
    """Whether a text says yes or no; None for one that says neither."""
    word = plain(text).casefold()
    return True if word in _TRUE else False if word in _FALSE else None
