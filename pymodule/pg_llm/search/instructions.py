"""Instructions to a model in a text that should be data (prompt injection; Greshake and others 2023)."""

from __future__ import annotations

import re

_SIGNS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,60}\b(?:instructions?|questions?|prompts?|above)\b"
    r"|\b(?:answer|respond|reply|say)\b[^.!?\n]{0,30}\b(?:instead|to (?:the|this|any|every) question)\b"
    r"|\b(?:always|only|must) (?:answer|respond|reply|say)\b"
    r"|\byou are (?:now )?(?:an? )?(?:ai|assistant|language model|chatbot)\b"
    r"|^[ \t]*(?:system|assistant|user)\s*:|<\|?(?:im_start|system|inst)"
    r"|(?:忽略|无视|忘记|不要理会)[^。！？\n]{0,20}(?:指令|问题|提示|以上|上述|前面)"  # noqa: RUF001 - Chinese
    r"|(?:请|必须|只能|一律|总是)(?:回答|回复)|你是(?:一个)?(?:人工智能|助手|语言模型)",
    re.IGNORECASE | re.MULTILINE,
)


def are_in(text: str) -> bool:
    """Whether the text tells a model what to answer or to ignore. A document about such texts counts as one."""
    return bool(_SIGNS.search(text))
