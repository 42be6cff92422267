"""S3, by the forms and URLs that the API signs; no token is ever sent there."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO

import httpx

from .errors import ServerError, ServerUnreachableError, UploadError
from .retries import TOO_MANY, TRANSIENT, RetryPolicy

_TIMEOUT = httpx.Timeout(120, connect=10)
Requests = Callable[[], httpx.Request]
OnBytes = Callable[[int], None]


class ExpiredError(ServerError):
    """What was signed holds no more, or never did; a fresh one may."""

    default_code = "expired"


class Storage:
    """Sends and fetches objects, again where that helps.

    Args:
        retries: when.
        http: the connections; by default new ones, made when they are needed.
    """

    def __init__(self, retries: RetryPolicy, http: httpx.Client | None = None) -> None:
        self._retries = retries
        self._http = http
        self._making = threading.Lock()

    @property
    def http(self) -> httpx.Client:
        with self._making:
            self._http = self._http or httpx.Client(timeout=_TIMEOUT)
            return self._http

    def post(self, url: str, fields: Mapping[str, str], content_type: str, file: BinaryIO) -> None:
        """Posts a file by a signed form.

        Raises:
            ExpiredError: the form has run out.
            UploadError: S3 refuses the file.
            ServerUnreachableError: S3 gives no answer.
        """

        def request() -> httpx.Request:
            file.seek(0)
            parts = {"file": ("file", file, content_type)}
            return self.http.build_request("POST", url, data=dict(fields), files=parts)

        self._sent(request)

    def put(self, url: str, content: bytes) -> None:
        """Puts a part by its signed URL; raises what `post` does."""
        self._sent(lambda: self.http.build_request("PUT", url, content=content))

    def _sent(self, request: Requests) -> None:
        response = self._exchange(request)
        if response.status_code == 403:
            raise ExpiredError(_said(response), status=403)
        if not response.is_success:
            raise UploadError(f"S3 refused it: {_said(response)}", status=response.status_code)

    def _exchange(self, request: Requests) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self.http.send(request())
            except httpx.TransportError as error:
                self._pause(attempt, f"S3 does not answer ({str(error) or type(error).__name__})", error)
                continue
            status = response.status_code
            if status in TRANSIENT or status in (500, TOO_MANY) or _is_timeout(response):
                self._pause(attempt, f"S3 is busy ({status})", None)
                continue
            return response

    def _pause(self, attempt: int, reason: str, error: Exception | None) -> None:
        if not self._retries.pause(attempt, reason):
            raise ServerUnreachableError(
                reason, hint="Try the same again: it goes on where it was."
            ) from error

    def get(self, url: str, start: int, target: BinaryIO, on_bytes: OnBytes) -> None:
        """Fetches an object from its byte `start` into a file, which is cut there first.

        One attempt: whoever calls knows how far it came.

        Raises:
            ExpiredError: the URL has run out.
            ServerError: it can't be fetched now.
            httpx.TransportError: the connection broke.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        # Compressed on its way, a range would be of other bytes.
        with self.http.stream("GET", url, headers={"Accept-Encoding": "identity", **headers}) as response:
            if response.status_code == 403:
                raise ExpiredError("the URL has run out", status=403)
            if response.status_code not in (200, 206):
                raise ServerError(f"S3 answered {response.status_code}", status=response.status_code)
            if response.status_code == 200:
                start = 0
            target.seek(start)
            target.truncate()
            for chunk in response.iter_bytes():
                target.write(chunk)
                on_bytes(len(chunk))

    def close(self) -> None:
        if self._http is not None:
            self._http.close()


def _said(response: httpx.Response) -> str:
    found = re.search("<Message>(.*?)</Message>", response.text)
    return found[1] if found else f"status {response.status_code}"


def _is_timeout(response: httpx.Response) -> bool:
    """S3's way to say that the body came too slowly."""
    return response.status_code == 400 and "<Code>RequestTimeout</Code>" in response.text
