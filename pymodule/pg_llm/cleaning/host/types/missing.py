"""Words and signs that stand for a missing value (disguised missing values, Pearson 2006)."""

from __future__ import annotations

from pg_llm.values.host.characters import plain

# No table holds these as values; spreadsheets write the errors, in their users' languages.
SURE = frozenset(
    word.strip()
    for word in """
    n/a|n.a.|n. a.|n/d|n.d.|#n/a|#nv|#null!|#ref!|#value!|#div/0!|#name?|#num!|#bezug!|#wert!|#zahl!|#name|#¡valor!
    #¡ref!|#¡div/0!|#n/d|#valeur!|#nom?|#valore!|#rif!|#verw!|#waarde!|#н/д|#знач!|#ссылка!|#getting_data|#spill!|#calc!
    (null)|<null>|[null]|\\n|<na>|<none>|(none)|(blank)|(blanks)|(empty)|<empty>|(leer)|(vide)|(vacío)|(vuoto)|(leeg)
    (unknown)|<unknown>|[unknown]|k.a.|k. a.|k.a|s/d|s.d.|s/n|s/o|b.d.|н/д|н.д.|нет данных|keine angabe
    keine angaben|nicht verfügbar|nicht bekannt|not available|not applicable|not known|not specified|not provided
    no data|no value|no answer|missing value|data missing|non renseigné|non disponible|non communiqué|sans objet
    sin datos|sin dato|no disponible|no aplica|sin información|não informado|não disponível|sem dados|sem informação
    non disponibile|nessun dato|niet beschikbaar|onbekend|geen gegevens|brak danych|nie dotyczy|ej angivet|okänt
    ikke oplyst|ei tietoa|veri yok|bilinmiyor|データなし|不明|該当なし|未記入|未知|暂无|暫無|无数据|없음|해당 없음
    0000-00-00|00.00.0000|00/00/0000|0000-00-00 00:00:00|1900-01-00
""".replace("\n", "|").split("|")
    if word.strip()
)
# These may also be a name, a code, an answer or a title.
_LIKELY = frozenset(
    word.strip()
    for word in """
    na|none|null|nil|nan|unknown|unk|undefined|missing|tbd|tba|tbc|unbekannt|fehlt|inconnu|inconnue|desconocido|ninguno
    desconhecido|sconosciuto|nessuno|nieznany|brak|неизвестно|unspecified|not set|unset|blank|leer|vide|vacío
    無|无|なし|aucun|aucune|none given|not given
""".replace("\n", "|").split("|")
)
_SIGNS = frozenset("- -- --- ? ?? ??? . .. ... … .- -.-".split())


def kind(text: str) -> str | None:
    """`sure` for what only means that there is no value, `sign` for a mark, `word` for what may be a name, or None."""
    word = " ".join(plain(text).casefold().split())
    if not word or len(word) > 30:
        return None
    return "sure" if word in SURE else "sign" if word in _SIGNS else "word" if word in _LIKELY else None


def stands_alone(text: str) -> bool:
    """Whether a value means that there is none whatever its column holds; not so NA, which is Namibia, too."""
    return (kind(text) is not None and plain(text).casefold() != "na") or not text.strip()
