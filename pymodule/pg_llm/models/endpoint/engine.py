"""What the engines of all endpoints have in common: batches become requests in a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from pg_llm.errors import Error
from pg_llm.models import event_loop
from pg_llm.models.endpoint.failure import RequestFailed
from pg_llm.models.endpoint.redaction import Labels
from pg_llm.models.endpoint.transport import Transport
from pg_llm.models.engine import Window
from pg_llm.models.personal_data import Find
from pg_llm.models.spec import ModelSpec

# Characters of a token, roughly and for European languages.
TOKEN = 4


class Content:
    """What a window asks of an endpoint; `redacted` is how many values were kept from it when it was sent."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.redacted = 0


class Endpoint:
    """An engine whose batches are requests to an endpoint, several at a time.

    With `find` nothing is sent before what that finds in it has been replaced: `submit` is the only way out, and where
    finding fails nothing goes.
    """

    engine = "endpoint"
    device = "remote"
    bytes = 0

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        self._transport = Transport(spec)
        self._find = find
        self.concurrency = self._transport.concurrency
        self.details: dict[str, Any] = {}

    def submit(self, batch: Sequence[Window]) -> Future[Sequence[Any]]:
        """Start the requests of a batch; the outputs may be Errors. Cancelling the future ends a request."""
        return event_loop.start(self._send(batch))

    def forward(self, batch: Sequence[Window]) -> Sequence[Any]:
        """The outputs of a batch. Raises the Error of one that failed."""
        outputs = self.submit(batch).result()
        for output in outputs:
            if isinstance(output, Error):
                raise output
        return outputs

    async def _send(self, batch: Sequence[Window]) -> Sequence[Any]:
        contents = [window.tokens.value for window in batch]
        if self._find is None:
            return await self._outputs(contents)
        labels = await asyncio.to_thread(_labels, self._find, [self._texts(content) for content in contents])
        redacted = [self._redacted(*each) for each in zip(contents, labels, strict=True)]
        for window, of_content in zip(batch, labels, strict=True):
            window.tokens.redacted = len(of_content)
        outputs = await self._outputs(redacted)
        return [self._restored(*each) for each in zip(outputs, contents, labels, strict=True)]

    async def _outputs(self, contents: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError

    def _texts(self, content: Any) -> list[str]:
        """All that a request says which is not ours."""
        raise NotImplementedError

    def _redacted(self, content: Any, labels: Labels) -> Any:
        raise NotImplementedError

    def _restored(self, output: Any, content: Any, labels: Labels) -> Any:
        """What comes of an output of the redacted content."""
        return output

    def _failure(self, failure: RequestFailed) -> Error:
        """The output in place of one that failed. Raises it where no other request would fare better."""
        error = self._transport.failed(failure)
        if failure.of_all:
            raise error from failure
        return error


def _labels(find: Find, texts: Sequence[Sequence[str]]) -> list[Labels]:
    """The labels of each request, whose texts are read together."""
    found = iter(find([text for of_request in texts for text in of_request]))
    return [Labels(of_request, [next(found) for _ in of_request]) for of_request in texts]
