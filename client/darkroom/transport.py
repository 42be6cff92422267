"""Requests to the API: signed in, sent again where that helps, and errors made of problems."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from .endpoints import Endpoint
from .errors import (
    AuthenticationError,
    ConfigurationError,
    ServerUnreachableError,
    UnexpectedAnswerError,
)
from .models import decode
from .problems import is_in_flight, problem_of
from .retries import TOO_MANY, TRANSIENT, RetryPolicy, retry_after_seconds

T = TypeVar("T")

TIMEOUT = httpx.Timeout(60, connect=10)
#: The request never left, so that it can be sent again whatever it was.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Credentials(Protocol):
    """Where the bearer token comes from."""

    def token(self) -> str:
        """The token to send.

        Raises:
            AuthenticationError: there is none.
        """

    def renew(self, refused: str) -> str:
        """Another token, after the server refused one.

        Raises:
            AuthenticationError: there is no other.
        """


@dataclass
class Transport:
    """Talks to one Darkroom.

    Args:
        url: without /api.
        credentials: None: only public endpoints can be called.
        retries: when a request is sent again.
        http: the connections.
    """

    url: str
    credentials: Credentials | None = None
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=TIMEOUT))

    def signed_in(self, credentials: Credentials) -> "Transport":
        """The same connections, with these credentials."""
        return replace(self, credentials=credentials)

    def call(
        self,
        endpoint: Endpoint[T],
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        once: bool | str = False,
        **ids: str,
    ) -> T:
        """Sends a request.

        Args:
            endpoint: what to call.
            body: JSON.
            query: parameters; those that are None are left out.
            once: an idempotency key, or True for a new one: the request can then be sent again safely.
            ids: those in the path.

        Returns:
            The answer's model.

        Raises:
            DarkroomError: see `errors`.
        """
        response = self._send(endpoint, ids, body=body, query=query, once=once)
        if endpoint.answer is type(None):
            return None
        return decode(endpoint.answer, _document(response))

    def pages(
        self, endpoint: Endpoint[T], *, query: Mapping[str, Any] | None = None, **ids: str
    ) -> Iterator[T]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            asked = {"limit": 100, **(query or {}), "cursor": cursor}
            response = self._send(endpoint, ids, query=asked)
            document = _document(response)
            if not isinstance(document, dict) or not isinstance(document.get("items"), list):
                raise UnexpectedAnswerError(f"{response.url} answered no list")
            yield from (decode(endpoint.answer, each) for each in document["items"])
            cursor = document.get("nextCursor")
            if cursor is None:
                return

    def send(self, endpoint: Endpoint[Any], headers: Mapping[str, str], **ids: str) -> httpx.Response:
        """Like `call` with headers; returns the answer as it came, which may be a 304."""
        return self._send(endpoint, ids, headers=headers)

    def _send(
        self,
        endpoint: Endpoint[Any],
        ids: Mapping[str, str],
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        once: bool | str = False,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        if once:
            sent["Idempotency-Key"] = once if isinstance(once, str) else str(uuid4())
        request = self.http.build_request(
            endpoint.method,
            self.url + endpoint.path.format(**{name: quote(value, safe="") for name, value in ids.items()}),
            params={name: _text(value) for name, value in (query or {}).items() if value is not None},
            content=None if body is None else json.dumps(body).encode(),
            headers=sent,
        )
        repeatable = endpoint.is_repeatable or bool(once)
        return self._admitted(request, endpoint.is_public, repeatable)

    def _admitted(self, request: httpx.Request, is_public: bool, repeatable: bool) -> httpx.Response:
        if is_public:
            return _checked(self.exchange(request, repeatable))
        if self.credentials is None:
            raise AuthenticationError("not logged in", code="not-logged-in", hint="Run: darkroom auth login")
        token = self.credentials.token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = self.exchange(request, repeatable)
        if response.status_code == 401:
            # Not carried out, so that it can be sent again whatever it is.
            request.headers["Authorization"] = f"Bearer {self.credentials.renew(token)}"
            response = self.exchange(request, repeatable)
        return _checked(response)

    def exchange(self, request: httpx.Request, repeatable: bool) -> httpx.Response:
        """Sends one request, again where that may help; returns whatever answer there is in the end.

        Raises:
            ServerUnreachableError: there is none.
        """
        attempt, waited = 0, 0.0
        while True:
            attempt += 1
            try:
                response = self.http.send(request)
            except httpx.TransportError as error:
                reason = f"{self.url} does not answer ({_cause(error)})"
                again = repeatable or isinstance(error, _NEVER_SENT)
                if not again or not self.retries.pause(attempt, reason):
                    raise ServerUnreachableError(
                        reason, hint="Is it running, and is the URL right? `darkroom doctor` looks."
                    ) from error
                continue
            status = response.status_code
            if status == TOO_MANY or (repeatable and status in TRANSIENT):
                reason = f"{self.url} is busy ({status})"
                if self.retries.pause(attempt, reason, retry_after_seconds(response.headers)):
                    continue
            elif is_in_flight(response):
                before, reason = waited, "the first request is still being carried out"
                asked = retry_after_seconds(response.headers)
                waited = self.retries.outwait(waited, attempt, reason, asked)
                if waited > before:
                    attempt -= 1
                    continue
            return response

    def close(self) -> None:
        self.http.close()


def normalized(url: str) -> str:
    """A URL as `Transport` has it.

    Raises:
        ConfigurationError: it is no http or https URL.
    """
    try:
        parts = urlsplit(url.strip())
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigurationError(f"{url!r} is no URL of a Darkroom", hint="Such as https://host.example")
    return url.strip().rstrip("/").removesuffix("/api")


def is_local(url: str) -> bool:
    """Whether what is sent to a URL stays on this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success or response.status_code == 304:
        return response
    raise problem_of(response)


def _document(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{response.url} answered no JSON", hint="Is that the URL of a Darkroom?"
        ) from error


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cause(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
