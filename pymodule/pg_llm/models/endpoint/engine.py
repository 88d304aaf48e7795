"""What the engines of all endpoints have in common: batches become requests in a thread of their own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from pg_llm.errors import Error
from pg_llm.models import event_loop
from pg_llm.models.endpoint.transport import RequestFailed, Transport
from pg_llm.models.engine import Window
from pg_llm.models.spec import ModelSpec

# Characters of a token, roughly and for European languages.
TOKEN = 4


class Endpoint:
    """An engine whose batches are requests to an endpoint, several at a time."""

    engine = "endpoint"
    device = "remote"
    bytes = 0

    def __init__(self, spec: ModelSpec) -> None:
        self._transport = Transport(spec)
        self.concurrency = self._transport.concurrency
        self.details: dict[str, Any] = {}

    def submit(self, batch: Sequence[Window]) -> Future[Sequence[Any]]:
        """Start the requests of a batch; the outputs may be Errors. Cancelling the future ends a request."""
        return event_loop.start(self._outputs(batch))

    def forward(self, batch: Sequence[Window]) -> Sequence[Any]:
        """The outputs of a batch. Raises the Error of one that failed."""
        outputs = self.submit(batch).result()
        for output in outputs:
            if isinstance(output, Error):
                raise output
        return outputs

    async def _outputs(self, batch: Sequence[Window]) -> Sequence[Any]:
        raise NotImplementedError

    def _failure(self, failure: RequestFailed) -> Error:
        """The output in place of one that failed. Raises it where no other request would fare better."""
        error = self._transport.failed(failure)
        if failure.of_all:
            raise error from failure
        return error
