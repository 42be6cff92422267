"""What the client's own tests share: a server that answers as it is told, without a network."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from darkroom.retries import Retry, RetryPolicy
from darkroom.transport import Transport

URL = "https://darkroom.example"
Answer = httpx.Response | Exception


@dataclass
class Server:
    """Answers requests one after another, by what was put in; the last answer is repeated."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str | None]:
        return [each.headers.get("idempotency-key") for each in self.requests]


@dataclass
class Pauses:
    """Instead of pausing, notes how long it would have been."""

    seconds: list[float] = field(default_factory=list)
    told: list[Retry] = field(default_factory=list)

    def policy(self, **changes: Any) -> RetryPolicy:
        return RetryPolicy(sleep=self.seconds.append, on_retry=self.told.append, **changes)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def transport(server: Server, pauses: Pauses) -> Transport:
    """A transport to that server, as the holder of an API key."""
    from darkroom.logins import ApiKey

    http = httpx.Client(transport=httpx.MockTransport(server))
    return Transport(URL, ApiKey("dk_secret"), pauses.policy(), http)


def problem(status: int, code: str, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    """An error as the API answers it."""
    document = {
        "type": f"urn:darkroom:problem:{code}", "title": "A title", "status": status, "detail": "a sentence",
        "code": code, "requestId": "r-1",
    }  # fmt: skip
    return httpx.Response(status, headers=headers, content=json.dumps(document | members).encode())
