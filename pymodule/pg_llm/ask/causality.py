"""Questions for the effect of one thing on another, which no query answers: rows show what goes together.

Only questions whose form says so: what effect something has on another, whether it raised or lowered that, or whether
that happened because of it. What happened without a cause ("did sales rise in May") is a question like any other.
"""

from __future__ import annotations

import re

REASON = (
    "the question is for an effect, and rows that go together do not show one: llm_effect() compares rows that are "
    "alike in what else bears on both"
)
_QUOTED = re.compile(r"""\"[^"]*"|“[^”]*”|(?<!\w)'[^']*'(?!\w)""")
# Whoever acts is no cause: "did we raise prices".
_ACTOR = r"(?:we|they|he|she|i|you|any|anyone|anybody|someone|there|all|most|each|every|some|many)\b"
_CHANGES = (
    r"(?:raise|increase|improve|boost|reduce|decrease|lower|affect|influence|cause|hurt|lead\ to|result\ in)[sd]?"
)
# What follows a verb that changes nothing: "did sales increase in May", "did Ann increase her limit".
_NO_OBJECT = (
    r"(?:in|on|at|since|over|during|by|from|between|after|before|this|last|than|to|and|or|within|under|above|below|"
    r"today|yesterday|when|while|if|more\ than|as|his|her|their|its|year|month|week|quarter)\b"
)
_FORMS = re.compile(
    rf"""
    ^(?:and\ |so\ |but\ )?(?:
        (?:what|how\ (?:large|big|great|strong|much\ of\ an?))\s+
            (?:(?:is|was|are|were|did|does|do|has|had)\s+)?(?:(?:the|an?|any|there)\s+){{0,2}}(?:\w+\s+)?
            (?:effects?(?!\ size)|impacts?|influences?)\b.*\bon\b
        | (?:is|was|are|were)\s+there\s+(?:an?|any)\s+(?:\w+\s+)?(?:effect|impact|influence)\b.*\bon\b
        | (?:did|does|do|has|have|had|will|would)\s+(?!{_ACTOR}).+?\b{_CHANGES}\s+(?!{_NO_OBJECT})[^\W\d]
        | (?:(?:by\s+)?how\ much\s+)?(?:did|does|do|has|have|had|is|are|was|were)\s+(?!there\b).*
            \b(?:because\ of|thanks\ to|due\ to|as\ a\ result\ of)\b
    )
    | 对.+?(?:什么|多大|多少|怎样|是否有|有没有|有无).{{0,2}}(?:影响|效果|作用)
    | 对.+?(?:有|产生)了?(?:影响|效果|作用)吗
    | (?:是否|有没有)(?:提高|提升|降低|减少|促进|导致|带动)了?[^\W吗了]{{2,}}
    """,
    re.VERBOSE | re.IGNORECASE,
)


def asks_for_effect(question: str) -> bool:
    """Whether the question is for the effect of one thing on another; what stands in quotes is a value."""
    return _FORMS.search(_QUOTED.sub("_", question.strip())) is not None
