"""One server of a model: its pooled connections, its limits on rate and size, and whether it works."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import json
import logging
import re
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import certifi
import httpx

from pg_llm import settings
from pg_llm.models import event_loop
from pg_llm.models.endpoint.address import Address, Key, is_loopback
from pg_llm.models.endpoint.failure import RequestFailed
from pg_llm.models.endpoint.rate_limit import RateLimit

# Parallel requests to one server, of all sessions; seconds for a whole answer.
_CONCURRENCY, _TIMEOUT = 16, 60
_MAX_RESPONSE = "8MB"
_CONNECT_TIMEOUT = 10.0
# Seconds that a server may ask to wait.
_MAX_WAIT = 60.0
# Seconds that one of several servers is left out after it failed, doubled with each further failure, and at most.
_FIRST_EXCLUSION, _MAX_EXCLUSION = 1.0, 60.0
# 408 and 409 as in OpenAI's own client; what else cannot be helped is no fault of a text.
_RETRIED, _OF_ALL, _OF_KEY = (408, 409, 429), (402, 404, 405, 410, 501), (401, 403)
_MAX_SHOWN = 300
# More than any model reads or writes at a time.
_MAX_TOKENS = 100_000_000
_R = TypeVar("_R")

# A line for each request would fill the host's log.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)
_log = logging.getLogger(__name__)


class Replica:
    """POST requests with JSON to one server, for all sessions of this process.

    `outstanding` counts the requests that were given to it; until `resume_at` it asked to be sent none. A server that
    failed, and has answered nothing since, is `suspect`, and is left out by those who have another until
    `excluded_until`. `is_verified` tells whether it was found to serve the model that the others do.
    """

    def __init__(self, address: Address, key: Key, options: Mapping[str, Any]) -> None:
        self.address = address
        self.key = key
        # Said at once, rather than by the first text.
        key.read()
        self.concurrency: int = options.get("concurrency", _CONCURRENCY)
        self.max_response = settings.size("max_response", str(options.get("max_response", _MAX_RESPONSE)))
        self.outstanding = 0
        self.last_chosen = self.resume_at = self.excluded_until = 0.0
        self.is_verified = False
        self._failures = 0
        self._last_known = 0.0
        self._headers = options.get("headers", {})
        self._timeout = options.get("timeout", _TIMEOUT)
        self._rate_limit = RateLimit(options.get("rate_limit", {}))
        self._client: httpx.AsyncClient | None = None

    @property
    def shown_address(self) -> str:
        """The base of its API, without what may be a secret."""
        return str(self.address.base.copy_with(query=None))

    @property
    def is_suspect(self) -> bool:
        """Whether the last that is known of it is a failure."""
        return self._failures > 0

    async def post(self, resource: str, fields: Mapping[str, Any], tokens: float, read: Callable[[Any], _R]) -> _R:
        """What `read` makes of the JSON that it answers with; `tokens` is about how many it will count.

        Raises RequestFailed, as `read` may.
        """
        content = json.dumps({"model": self.address.model, **fields}).encode("ascii")
        use = await self._rate_limit.wait(tokens)
        await asyncio.sleep(max(0.0, self.resume_at - time.monotonic()))
        sent = time.monotonic()
        try:
            answer = await self._try(self.address.resource(resource), content)
            use.amount = tokens_used(answer, "total_tokens", use.amount)
            found = read(answer)
        except RequestFailed as failure:
            failure.replica = self
            if failure.of_text:
                self._note_success()
            else:
                self._note_failure(failure, sent)
            raise
        self._note_success()
        return found

    def show(self, text: str) -> str:
        """The beginning of a text from the server, without the key, in one line."""
        key = self.key.read()
        beginning = text[: 10 * _MAX_SHOWN]
        hidden = beginning.replace(key, "…") if key else beginning
        return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", hidden).strip()[:_MAX_SHOWN]

    def _note_success(self) -> None:
        if self._failures:
            _log.info("endpoint %s works again", self.shown_address)
        self._failures = 0
        self.excluded_until = 0.0
        self._last_known = time.monotonic()

    def _note_failure(self, failure: RequestFailed, sent: float) -> None:
        """Leave it out for a time, unless something newer is known of it than when the request was sent."""
        if sent < self._last_known:
            return
        self._last_known = time.monotonic()
        seconds = min(_MAX_EXCLUSION, _FIRST_EXCLUSION * 2.0**self._failures)
        self.excluded_until = self._last_known + seconds
        if not self._failures:
            _log.info("endpoint %s failed: %s", self.shown_address, failure.unquoted)
        self._failures += 1
        # It may come back with another model.
        self.is_verified = False

    async def _try(self, url: httpx.URL, content: bytes) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                response, text = await self._exchange(url, content)
        except TimeoutError as error:
            what = f"no whole answer came within {self._timeout} seconds"
            raise RequestFailed(what, is_transient=True) from error
        except httpx.ConnectTimeout as error:
            raise RequestFailed("it does not take connections", of_all=True, is_transient=True) from error
        except httpx.ConnectError as error:
            failure = RequestFailed(f"no connection: {error}", of_all=True, is_transient=True)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                failure.is_transient = False
                failure.hint = (
                    "Its certificate is checked against the system's authorities, and those in SSL_CERT_FILE."
                )
            raise failure from error
        except httpx.TransportError as error:
            raise RequestFailed(str(error) or type(error).__name__, is_transient=True) from error
        return self._read(response, text)

    async def _exchange(self, url: httpx.URL, content: bytes) -> tuple[httpx.Response, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        headers |= self._headers
        if key := self.key.read():
            headers["Authorization"] = f"Bearer {key}"
        async with self._connections().stream("POST", url, content=content, headers=headers) as response:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise RequestFailed("it sent a compressed answer, which it was not asked for", of_all=True)
            received = bytearray()
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > self.max_response:
                    raise RequestFailed(
                        f"its answer is larger than {self.max_response} bytes",
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
                raise unusable(_kind(response, text), "JSON") from None
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
            self._allow_retry(failure, _retry_after(response))
        else:
            failure.of_text = not failure.of_all
        raise failure

    def _allow_retry(self, failure: RequestFailed, wait: float | None) -> None:
        if wait is not None and wait > _MAX_WAIT:
            failure.what += f", and it asks to wait {wait:.0f} seconds"
            failure.of_all = True
            return
        failure.is_transient = True
        if wait is not None:
            # All requests wait, not only this one.
            self.resume_at = max(self.resume_at, time.monotonic() + wait)

    def _connections(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                # Not HTTP/2: httpcore resets no stream that is cancelled, and the endpoint would go on with it.
                http2=False,
                verify=_certificates(),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                # A proxy is of no use to reach this machine.
                trust_env=not is_loopback(self.address.base.host),
                timeout=httpx.Timeout(self._timeout, connect=min(_CONNECT_TIMEOUT, self._timeout), pool=None),
                limits=httpx.Limits(
                    max_connections=self.concurrency, max_keepalive_connections=self.concurrency, keepalive_expiry=30
                ),
            )
            weakref.finalize(self, _close, self._client).atexit = False
        return self._client


def unusable(what: str, wanted: str) -> RequestFailed:
    """The failure of a request whose answer is not what was asked for."""
    return RequestFailed(f"it answered with {what}, not with {wanted}")


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
