"""Requests to an endpoint: pooled connections, timeouts, retries with back-off, limits on rate and size."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import json
import logging
import random
import re
import ssl
import time
import weakref
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import certifi
import httpx

from pg_llm import settings
from pg_llm.errors import EndpointFailed, Error, TextRefused
from pg_llm.models import event_loop
from pg_llm.models.endpoint.address import Key, is_loopback
from pg_llm.models.endpoint.rate_limit import RateLimit
from pg_llm.models.endpoint.replicas import Replica, Replicas
from pg_llm.models.spec import ModelSpec

# Parallel requests to one endpoint, of all sessions; tries after the first; seconds for a whole answer.
_CONCURRENCY, _RETRIES, _TIMEOUT = 16, 5, 60
_MAX_RESPONSE = "8MB"
_CONNECT_TIMEOUT = 10.0
# Seconds before the second try, doubled for each further one, and at most; up to half of it is taken off at random.
_FIRST_DELAY, _MAX_DELAY = 0.5, 8.0
# Seconds that an endpoint may ask to wait. An answer that takes too long is asked for once more only: each may cost.
_MAX_WAIT, _MAX_TIMEOUTS = 60.0, 2
# Failures one after the other, at least, that are no longer taken for those of texts.
_MAX_FAILURES = 8
# 408 and 409 as in OpenAI's own client; what else cannot be helped is no fault of a text.
_RETRIED, _OF_ALL, _OF_KEY = (408, 409, 429), (402, 404, 405, 410, 501), (401, 403)
_MAX_SHOWN = 300
# More than any model reads or writes at a time.
_MAX_TOKENS = 100_000_000

# A line for each request would fill the host's log.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class RequestFailed(Exception):
    """A request without an answer that can be used.

    `status` and `text` are of the answer, if there is one, whose words `quote` repeats: they may hold what was sent.
    `of_all` tells that no other request would fare better, and `of_text` that it is this text which another try would
    not help.
    """

    def __init__(
        self,
        what: str,
        *,
        of_all: bool = False,
        of_text: bool = False,
        status: int = 0,
        text: str = "",
        quote: str = "",
        tries: int = 1,
        hint: str | None = None,
    ) -> None:
        tried = f" (tried {tries} times)" if tries > 1 else ""
        super().__init__(f"{what}: {quote}{tried}" if quote else what + tried)
        self.what = what
        self.quote = quote
        self.unquoted = what + tried
        self.of_all = of_all
        self.of_text = of_text
        self.status = status
        self.text = text
        self.hint = hint


class _Transient(Exception):
    """What another try may mend: `wait` is how long the endpoint asks to wait."""

    def __init__(self, failure: RequestFailed, wait: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.wait = wait


class Transport:
    """POST requests with JSON to one endpoint or its replicas, for all sessions of this process."""

    def __init__(self, spec: ModelSpec) -> None:
        options = spec.options
        self._replicas = Replicas(spec)
        self._key = Key(spec)
        # Said at once, rather than by the first text.
        self._key.read()
        self._extra = options.get("extra_body", {})
        self._headers = options.get("headers", {})
        self._timeout = options.get("timeout", _TIMEOUT)
        self._retries = options.get("retries", _RETRIES)
        self._max_response = settings.size("max_response", str(options.get("max_response", _MAX_RESPONSE)))
        self._rate_limit = RateLimit(options.get("rate_limit", {}))
        self.concurrency: int = options.get("concurrency", _CONCURRENCY)
        self._clients: dict[Replica, httpx.AsyncClient] = {}
        # Requests that failed one after the other, with none between them that worked.
        self._failures = 0

    def failed(self, failure: RequestFailed) -> Error:
        """The error that callers see."""
        shown = " or ".join(each.shown for each in self._replicas.all)
        message = f"the endpoint {shown} failed: "
        if failure.of_text:
            return TextRefused(f"{message}{failure}", hint=failure.hint)
        key = f" The key is read from {self._key.place}." if self._key.place else ""
        hint = failure.hint or f"Check that it runs and serves this model.{key}"
        return EndpointFailed(f"{message}{failure}", hint=hint, to_others=message + failure.unquoted)

    async def post(self, resource: str, body: dict[str, Any], tokens: float, *, patient: bool = True) -> Any:
        """The JSON that the endpoint answers with; `tokens` is about how many it will count. Raises RequestFailed.

        Who is not patient tries once more only, and not after a timeout.
        """
        retries, most_timeouts = (self._retries, _MAX_TIMEOUTS) if patient else (min(self._retries, 1), 1)
        # Each server may fail once more than one alone might.
        retries += len(self._replicas.all) - 1
        tries = timeouts = 0
        while True:
            use = await self._rate_limit.wait(tokens)
            replica = self._replicas.choose()
            while (delay := replica.resume_at - time.monotonic()) > 0:
                await asyncio.sleep(delay)
                replica = self._replicas.choose()
            tries += 1
            fields = {"model": replica.address.model, **body, **self._extra}
            content = json.dumps({name: value for name, value in fields.items() if value is not None}).encode("ascii")
            try:
                with self._replicas.asking(replica):
                    answer = await self._try(replica, resource, content)
            except _Transient as error:
                timeouts += isinstance(error.__cause__, TimeoutError)
                others = self._replicas.failed(replica, error.failure.what, self._wait(error, tries))
                if tries > retries or timeouts >= most_timeouts:
                    raise self._given_up(error.failure, tries) from error
                if not others:
                    await self._back_off(error, tries)
                continue
            self._replicas.worked(replica)
            use.amount = tokens_used(answer, "total_tokens", use.amount)
            return answer

    def worked(self) -> None:
        """Note that an answer could be used."""
        self._failures = 0

    def unusable(self, what: str, wanted: str) -> RequestFailed:
        """The failure of a request whose answer is JSON, and not what was asked for."""
        return self._given_up(RequestFailed(f"it answered with {what}, not with {wanted}"), 1)

    def show(self, text: str) -> str:
        """The beginning of a text from the endpoint, without the key, in one line."""
        key = self._key.read()
        beginning = text[: 10 * _MAX_SHOWN]
        hidden = beginning.replace(key, "…") if key else beginning
        return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", hidden).strip()[:_MAX_SHOWN]

    async def _try(self, replica: Replica, resource: str, content: bytes) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                response, text = await self._exchange(replica, resource, content)
        except TimeoutError as error:
            raise _Transient(RequestFailed(f"no whole answer came within {self._timeout} seconds")) from error
        except httpx.ConnectTimeout as error:
            raise _Transient(RequestFailed("it does not take connections", of_all=True)) from error
        except httpx.ConnectError as error:
            failure = RequestFailed(f"no connection: {error}", of_all=True)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                failure.hint = (
                    "Its certificate is checked against the system's authorities, and those in SSL_CERT_FILE."
                )
                raise failure from error
            raise _Transient(failure) from error
        except httpx.TransportError as error:
            raise _Transient(RequestFailed(str(error) or type(error).__name__)) from error
        return self._read(response, text)

    async def _exchange(self, replica: Replica, resource: str, content: bytes) -> tuple[httpx.Response, str]:
        url = replica.address.resource(resource)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        headers |= self._headers
        if key := self._key.read():
            headers["Authorization"] = f"Bearer {key}"
        async with self._connections(replica).stream("POST", url, content=content, headers=headers) as response:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise RequestFailed("it sent a compressed answer, which it was not asked for", of_all=True)
            received = bytearray()
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > self._max_response:
                    raise RequestFailed(
                        f"its answer is larger than {self._max_response} bytes",
                        of_text=True,
                        hint="The option max_response of the model says how large it may be.",
                    )
        return response, received.decode("utf-8", "replace")

    def _read(self, response: httpx.Response, text: str) -> Any:
        status = response.status_code
        if response.is_success:
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                raise self.unusable(_kind(response, text), "JSON") from None
        if response.is_redirect:
            hint = "Register the address that it points to."
            raise RequestFailed(f"HTTP {status}, a redirect, which is not followed", of_all=True, hint=hint)
        # What is said about a key may repeat it.
        if status in _OF_KEY:
            raise RequestFailed(f"HTTP {status}, it refuses the key", of_all=True, status=status)
        beginning = text[: 10 * _MAX_SHOWN]
        failure = RequestFailed(
            f"HTTP {status}", of_all=status in _OF_ALL, status=status, text=beginning, quote=self.show(text)
        )
        if status in _RETRIED or (response.is_server_error and status not in _OF_ALL):
            raise _Transient(failure, _retry_after(response))
        failure.of_text = not failure.of_all
        raise failure

    def _given_up(self, failure: RequestFailed, tries: int) -> RequestFailed:
        """The failure after the last try; where requests fail one after the other, the texts are not what is wrong."""
        self._failures += 1
        of_all = failure.of_all or self._failures >= max(self.concurrency, _MAX_FAILURES)
        if of_all:
            self._failures = 0
        return RequestFailed(
            failure.what,
            of_all=of_all,
            status=failure.status,
            text=failure.text,
            quote=failure.quote,
            tries=tries,
            hint=failure.hint,
        )

    def _wait(self, error: _Transient, tries: int) -> float | None:
        """Seconds that the endpoint asks to wait. Raises RequestFailed for too many, where no other is there."""
        if error.wait is not None and error.wait > _MAX_WAIT:
            if len(self._replicas.all) > 1:
                return _MAX_WAIT
            what = f"{error.failure.what}, and it asks to wait {error.wait:.0f} seconds"
            failure = RequestFailed(what, of_all=True, status=error.failure.status, quote=error.failure.quote)
            raise self._given_up(failure, tries) from error
        return error.wait

    async def _back_off(self, error: _Transient, tries: int) -> None:
        delay = min(_MAX_DELAY, _FIRST_DELAY * 2.0 ** (tries - 1)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        await asyncio.sleep(max(delay, error.wait or 0.0))

    def _connections(self, replica: Replica) -> httpx.AsyncClient:
        if replica not in self._clients:
            self._clients[replica] = client = httpx.AsyncClient(
                # Not HTTP/2: httpcore resets no stream that is cancelled, and the endpoint would go on with it.
                http2=False,
                verify=_certificates(),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                # A proxy is of no use to reach this machine.
                trust_env=not is_loopback(replica.address.base.host),
                timeout=httpx.Timeout(self._timeout, connect=min(_CONNECT_TIMEOUT, self._timeout), pool=None),
                limits=httpx.Limits(
                    max_connections=self.concurrency, max_keepalive_connections=self.concurrency, keepalive_expiry=30
                ),
            )
            weakref.finalize(self, _close, client).atexit = False
        return self._clients[replica]


def tokens_used(answer: Any, name: str, estimated: float) -> float:
    """What an answer says of the tokens that it took, or the estimate where it says nothing that can be so."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    counted = usage.get(name) if isinstance(usage, dict) else None
    return counted if isinstance(counted, int) and 0 <= counted <= _MAX_TOKENS else estimated


def _kind(response: httpx.Response, text: str) -> str:
    """What an answer is that is no JSON, in words."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    beginning = text.lstrip()[:20].lower()
    if media_type == "text/event-stream" or beginning.startswith(("data:", "event:")):
        return "a stream of events"
    if media_type == "text/html" or beginning.startswith(("<!doctype", "<html")):
        return "HTML"
    return "text that is no JSON" if beginning else "nothing"


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that an answer asks to wait, in seconds or as a date."""
    written = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", written):
        return float(written)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(written).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The system's authorities, SSL_CERT_FILE included, and where it has none, Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _close(client: httpx.AsyncClient) -> None:
    event_loop.start(client.aclose())
