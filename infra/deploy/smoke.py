"""Whether a fresh deployment answers: through the gateway, the function, the tables and the signing key."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3

from .errors import SmokeTestError
from .stage import Stage
from .waiting import within

#: A new API's address, permissions and first cold start.
PATIENCE_SECONDS = 90.0
#: Of the description, and of a login of nobody.
_WANTED = (200, 401)
_ANSWER_SECONDS = 35.0  # API Gateway gives up after 29


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int  # 0 where there was no answer
    body: Any
    is_no_name: bool = False  # DNS knows no such host


def check(stage: Stage, url: str, patience_seconds: float = PATIENCE_SECONDS, domain_target: str = "") -> str:
    """Asks for the API's own description and logs in as nobody; leaves nothing behind.

    Args:
        url: where the API is.
        patience_seconds: how long it may take to become right.
        domain_target: what the name in the URL has to lead to, where it is the stage's own domain.

    Returns:
        The title and version of the API.

    Raises:
        SmokeTestError: it doesn't answer as it should; says what it answered last.
    """
    pool = urllib3.PoolManager(retries=False, timeout=_ANSWER_SECONDS)
    seen: list[tuple[str, _Answer]] = []

    def is_right() -> bool:
        seen[:] = _asked(pool, url)
        return len(seen) == len(_WANTED) and seen[-1][1].status == _WANTED[-1]

    if not within(patience_seconds, is_right):
        path, answer = seen[-1]
        if answer.is_no_name and domain_target:
            raise SmokeTestError(
                f"The API is up, but its name isn't: DNS has no {urlsplit(url).hostname} yet."
                f" Make a CNAME record of it that leads to {domain_target}.",
                stage.make("deploy"),
            )
        raise SmokeTestError(
            f"{url}{path} does not answer as it should: {answer.status or 'no answer'},"
            f" {_shortened(answer.body)}",
            stage.make("logs"),
        )
    info = seen[0][1].body["info"]
    return f"{info['title']} {info['version']}"


def _asked(pool: urllib3.PoolManager, url: str) -> list[tuple[str, _Answer]]:
    """Paths and answers, up to the first that isn't what it should be."""
    seen = [(_description(), _tried(_describe, pool, url))]
    if seen[0][1].status == _WANTED[0]:
        seen.append(("/api/auth/login", _tried(_log_in, pool, url)))
    return seen


def _tried(
    ask: Callable[[urllib3.PoolManager, str], _Answer], pool: urllib3.PoolManager, url: str
) -> _Answer:
    try:
        return ask(pool, url)
    except urllib3.exceptions.HTTPError as error:
        return _Answer(0, str(error), isinstance(error, urllib3.exceptions.NameResolutionError))


def _description() -> str:
    """The path of the API's description, which only the app itself knows."""
    from chalicelib.routes import documentation

    [path] = [each.path for each in documentation.api.endpoints]
    return path


def _describe(pool: urllib3.PoolManager, url: str) -> _Answer:
    return _read(pool.request("GET", url + _description()))


def _log_in(pool: urllib3.PoolManager, url: str) -> _Answer:
    """As a user that there can't be: reads the users' table, and hashes a password."""
    body = json.dumps({"login": f"smoke-{secrets.token_hex(8)}", "password": secrets.token_hex(16)})
    headers = {"Content-Type": "application/json"}
    return _read(pool.request("POST", f"{url}/api/auth/login", body=body, headers=headers))


def _read(response: urllib3.BaseHTTPResponse) -> _Answer:
    try:
        return _Answer(response.status, json.loads(response.data))
    except ValueError:
        return _Answer(response.status, response.data.decode(errors="replace"))


def _shortened(body: Any) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    return text if len(text) <= 200 else f"{text[:200]}…"
