"""A choice among answers by constrained decoding: the probability of each, given that one of them is written.

The answers' tokens form a trie. At each of its branches llama.cpp gives the probabilities of the tokens that go on, so
that answers that begin differently need one token together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Message
from pg_llm.models.llama.process import Llama

# What is added to the logits of the allowed tokens, so that nothing beside them counts.
_ALLOWED = 1000.0
# What a token gets that is to be drawn, whatever the others' logits are.
_DRAWN = _ALLOWED + 30.0
# The logarithm of a probability that is too small to be shown.
_LEAST = -100.0


async def log_probabilities(llama: Llama, messages: Sequence[Message], answers: Sequence[str]) -> Any:
    """The logarithms of the answers' probabilities, shape (answers,)."""
    prompt = await llama.prompt(messages)
    paths = [tuple(await llama.tokens(answer)) for answer in answers]
    found = np.zeros(len(answers))
    branches = [(0, list(range(len(answers))))]
    while branches:
        depth, rows = branches.pop()
        places: dict[int, list[int]] = {}
        for row in rows:
            token = paths[row][depth] if depth < len(paths[row]) else await llama.end_token()
            places.setdefault(token, []).append(row)
        if len(places) > 1:
            chances = await _next(llama, [prompt, *paths[rows[0]][:depth]], list(places))
            for token, those in places.items():
                found[those] += chances[token]
        branches += [(depth + 1, those) for those in places.values() if len({paths[row] for row in those}) > 1]
    return found


async def _next(llama: Llama, prompt: Sequence[Any], tokens: Sequence[int]) -> dict[int, float]:
    """The log-probabilities of the tokens that may come next, which together have all the probability."""
    chances = await _chances(llama, prompt, dict.fromkeys(tokens, _ALLOWED))
    if chances is None:
        # Of a token that is a part of a character llama.cpp shows no probabilities: so another one is drawn.
        letters = [(await llama.tokens(letter))[0] for letter in "abcdefghijklmnopqrstuvwxyz"]
        drawn = next(token for token in (await llama.end_token(), *letters) if token not in tokens)
        chances = await _chances(llama, prompt, dict.fromkeys(tokens, _ALLOWED) | {drawn: _DRAWN}) or {}
        all_together = sum(chance for token, chance in chances.items() if token != drawn)
        chances = {token: chance / all_together for token, chance in chances.items() if chance > 0}
    return {token: math.log(chance) if (chance := chances.get(token, 0.0)) > 0 else _LEAST for token in tokens}


async def _chances(llama: Llama, prompt: Sequence[Any], biases: Mapping[int, float]) -> dict[int, float] | None:
    """The probabilities of the next token under these biases; None where a part of a character was drawn."""
    answer = await llama.post(
        "/completion",
        {
            "prompt": prompt,
            "n_predict": 1,
            "temperature": 1.0,
            "samplers": ["temperature"],
            "logit_bias": [[token, bias] for token, bias in biases.items()],
            "n_probs": len(biases),
            "post_sampling_probs": True,
            "response_fields": ["completion_probabilities", "tokens_evaluated", "tokens_predicted"],
        },
    )
    shown = answer.get("completion_probabilities")
    return {one["id"]: one["prob"] for one in shown[0]["top_probs"]} if shown else None


async def likelihoods(llama: Llama, prompt: str, continuations: Sequence[str]) -> Any:
    """The log-likelihoods of the continuations of a prompt, by forced decoding: shape (continuations,)."""
    return np.asarray([await _likelihood(llama, prompt, text) if text else 0.0 for text in continuations])


async def _likelihood(llama: Llama, prompt: str, text: str) -> float:
    answer = await llama.post(
        "/completion",
        {
            "prompt": prompt,
            "n_predict": len(text.encode()) + 1,
            "temperature": 0.0,
            "grammar": f"%llguidance {{}}\nstart: {json.dumps(text, ensure_ascii=False)}",
            "n_probs": 1,
            "response_fields": ["completion_probabilities", "tokens_evaluated", "tokens_predicted"],
        },
    )
    # The last one is the token that ends the text.
    tokens = [one for one in answer["completion_probabilities"] if one["bytes"]]
    if bytes(byte for one in tokens for byte in one["bytes"]) != text.encode("utf-8", "replace"):
        raise InvalidInput("the text is too long for llama.cpp to judge it", hint="Shorten it.")
    return float(sum(one["logprob"] for one in tokens))
