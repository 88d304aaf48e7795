"""Encoders in GGUF, and language models that were made encoders: texts to unit vectors, by llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from pg_llm.errors import Error, InvalidModel
from pg_llm.models import event_loop
from pg_llm.models.engine import Text, Window
from pg_llm.models.llama.process import Llama
from pg_llm.models.llama.processes import Processes
from pg_llm.models.llama.settings import choose
from pg_llm.models.spec import ModelSpec

# Texts that are submitted together, which wait for each other.
_TEXTS = 8
# A word whose tokens tell which special ones stand before and after a text's.
_SAMPLE = "a"


class LlamaEmbedding:
    """An encoder; a process reads one text at a time, so that its vector does not depend on what is beside it."""

    task = "embedding"
    engine = "llama.cpp"
    device = "cpu"
    batch_windows = _TEXTS

    def __init__(self, spec: ModelSpec, folder: Path, threads: int) -> None:
        settings = choose(spec, folder, threads)
        self._processes = Processes(settings)
        self.concurrency = settings.slots * settings.processes
        self.batch_tokens = _TEXTS * settings.context
        self.bytes = settings.bytes
        self.prompts: dict[str, str] = {"query": "", "document": ""}
        self._before, self._after = event_loop.start(_special_tokens(self._processes.first)).result()
        self._room = settings.context - len(self._before) - len(self._after)
        (window,) = self.encode([_SAMPLE])[0]
        vector = event_loop.start(_vector(self._processes.first, window.tokens)).result()
        self.details: dict[str, Any] = {"dimensions": len(vector)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text."""
        llama = self._processes.first

        async def tokens() -> list[list[int]]:
            return [await llama.tokens(str(text)) for text in texts]

        step = self._room - min(overlap, self._room // 4)
        return [
            [self._window(found[start : start + self._room]) for start in _starts(len(found), self._room, step)]
            for found in event_loop.start(tokens()).result()
        ]

    def submit(self, batch: Sequence[Window]) -> Future[Sequence[Any]]:
        """Start a batch; an output may be an Error. Cancelling the future ends what llama.cpp does for it."""
        return event_loop.start(self._outputs([window.tokens for window in batch]))

    def forward(self, batch: Sequence[Window]) -> Any:
        """One unit vector per window, zeros for one without a token."""
        outputs = self.submit(batch).result()
        for output in outputs:
            if isinstance(output, Error):
                raise output
        return np.stack(outputs)

    async def _outputs(self, batch: Sequence[list[int]]) -> list[Any]:
        with self._processes.least_busy() as llama:
            return [await self._output(llama, tokens) for tokens in batch]

    async def _output(self, llama: Llama, tokens: list[int]) -> Any:
        if not tokens:
            return np.zeros(self.details["dimensions"], dtype=np.float32)
        try:
            return await _vector(llama, tokens)
        except Error as error:
            return error

    def _window(self, tokens: list[int]) -> Window:
        tokens = [*self._before, *tokens, *self._after]
        return Window(tokens, max(1, len(tokens)))


def _starts(length: int, room: int, step: int) -> list[int]:
    """Where windows of so many tokens begin, the first at 0 and the last where it holds the end."""
    return [0, *range(step, length - room + step, step)] if length > room else [0]


async def _special_tokens(llama: Llama) -> tuple[list[int], list[int]]:
    """The tokens before and after those of a text."""
    plain = await llama.tokens(_SAMPLE)
    body = {"content": _SAMPLE, "add_special": True, "parse_special": False}
    whole: list[int] = (await llama.look_up("/tokenize", body))["tokens"]
    before = next(place for place in range(len(whole)) if whole[place : place + len(plain)] == plain)
    return whole[:before], whole[before + len(plain) :]


async def _vector(llama: Llama, tokens: list[int]) -> Any:
    """The unit vector of a text. Raises InvalidModel for a model that gives one for each token."""
    (answer,) = await llama.post("/embeddings", {"input": [tokens]})
    if len(answer["embedding"]) != 1 and len(tokens) > 1:
        raise InvalidModel(
            "the GGUF file does not say how the vectors of tokens are joined to one of the text",
            hint="Its metadata have no pooling_type: take an encoder that was made for embeddings.",
        )
    vector = np.asarray(answer["embedding"][0], dtype=np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
