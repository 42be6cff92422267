"""What `darkroom doctor` looks at."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from . import __version__, endpoints
from .client import Client
from .configuration import Settings
from .endpoints import Endpoint
from .errors import DarkroomError, UnexpectedAnswerError
from .problems import problem_of
from .retries import RetryPolicy
from .transport import is_local

#: What S3 allows a signature's clock to be off is a quarter of an hour; a login is used for as long.
MOST_SKEW_SECONDS = 60
#: `info.version` of the OpenAPI document that this client is made for.
API_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Check]:
    """Looks at the server, its version, the clock and the login; what can't be seen fails."""
    try:
        client = Client.from_settings(settings, retries=RetryPolicy(attempts=1))
    except DarkroomError as error:
        return [Check("url", False, error.detail)]
    with client:
        try:
            response, seconds = _openapi(client)
        except DarkroomError as error:
            return [Check("url", False, error.detail)]
        return [
            Check(
                "url", True, f"{client.url} answers in {1000 * seconds:.0f} ms (from {settings.url.source})"
            ),
            _encryption(client),
            _version(response),
            _clock(response),
            _login(client, settings),
        ]


def _openapi(client: Client) -> tuple[httpx.Response, float]:
    http = client.transport.http
    started = time.monotonic()
    response = client.transport.exchange(http.build_request("GET", client.url + endpoints.OPENAPI_PATH), True)
    if not response.is_success:
        raise problem_of(response)
    if "json" not in response.headers.get("content-type", ""):
        raise UnexpectedAnswerError(f"what answers at {client.url} is no Darkroom")
    return response, time.monotonic() - started


def _encryption(client: Client) -> Check:
    is_safe = client.url.startswith("https:") or is_local(client.url)
    return Check("encryption", is_safe, "as it should be" if is_safe else "passwords travel in the clear")


def _version(response: httpx.Response) -> Check:
    document = response.json()
    version = str(document.get("info", {}).get("version"))
    missing = [f"{each.method} {each.path}" for each in endpoints.ALL if not is_served(each, document)]
    ok = version == API_VERSION and not missing
    about = f"client {__version__} for API {API_VERSION}, server has API {version}"
    return Check("version", ok, about + (f", without {', '.join(missing)}" if missing else ""))


def is_served(endpoint: Endpoint[Any], document: dict[str, Any]) -> bool:
    """Whether an OpenAPI document has an endpoint; ids in paths are called otherwise there."""
    return any(
        endpoint.method.lower() in methods and _anonymous(path) == _anonymous(endpoint.path)
        for path, methods in document.get("paths", {}).items()
    )


def _anonymous(path: str) -> list[str]:
    return ["{}" if each.startswith("{") else each for each in path.split("/")]


def _clock(response: httpx.Response) -> Check:
    date = response.headers.get("date")
    if date is None:
        return Check("clock", True, "the server doesn't say what time it is")
    skew = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    return Check("clock", abs(skew) <= MOST_SKEW_SECONDS, f"{skew:+.0f} s from the server's")


def _login(client: Client, settings: Settings) -> Check:
    way = "API key" if settings.api_key else "login"
    try:
        return Check("login", True, f"{client.me().username}, by {way}")
    except DarkroomError as error:
        return Check("login", False, f"{error.detail}. {error.hint or ''}".strip())
