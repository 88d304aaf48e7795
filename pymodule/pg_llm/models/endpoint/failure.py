"""What can become of a request in place of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_llm.models.endpoint.replica import Replica


class RequestFailed(Exception):
    """A request without an answer that can be used.

    `status` and `text` are of the answer, if there is one, whose words `quote` repeats: they may hold what was sent.
    `of_all` tells that no other request to this server would fare better, `of_text` that it is this text which another
    try would not help, and `is_transient` that another try may mend it, after `wait` seconds where the server says so.
    `replica` is the server, where it is one server's failure.
    """

    def __init__(
        self,
        what: str,
        *,
        of_all: bool = False,
        of_text: bool = False,
        is_transient: bool = False,
        wait: float | None = None,
        status: int = 0,
        text: str = "",
        quote: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.quote = quote
        self.of_all = of_all
        self.of_text = of_text
        self.is_transient = is_transient
        self.wait = wait
        self.status = status
        self.text = text
        self.hint = hint
        self.tries = self.servers = 1
        self.replica: Replica | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.quote}{self._tried}" if self.quote else self.unquoted

    @property
    def unquoted(self) -> str:
        """The message without words of the server."""
        return self.what + self._tried

    @property
    def _tried(self) -> str:
        places = f", on {self.servers} servers" if self.servers > 1 else ""
        return f" (tried {self.tries} times{places})" if self.tries > 1 else ""


class OtherModel(RequestFailed):
    """An answer that shows that the server serves another model than the servers beside it."""

    def __init__(self, what: str) -> None:
        hint = "Replicas serve the same model, in the same way: register another model under a name of its own."
        super().__init__(what, of_all=True, hint=hint)
