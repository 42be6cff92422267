"""Two hundred clients at once, against the stack as `make up` starts it."""

import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.dynamodb import Tables
from chalicelib.contract.attributes import to_item
from chalicelib.contract.states import Status
from chalicelib.contract.tables import IMAGES, SESSIONS
from infra.local.aws import REGION
from infra.local.signatures import CREDENTIALS
from tests.support import make_image, make_session

CLIENTS, PROJECTS = 200, 4
PASSWORD = "a long enough password"


@pytest.fixture
def up() -> Iterator[tuple[str, str]]:
    """Where the API listens and where the embedded AWS does, of a stack in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            api, aws = re.findall(r"http://[^ )]+", process.stdout.readline())
            yield api, aws
        finally:
            process.send_signal(signal.SIGINT)


@dataclass
class Seen:
    """What a client's requests came to."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    #: Labels of its image that it may have now: the last that was acknowledged, and what came after.
    possible: list[str | None] = field(default_factory=lambda: [None])


class Client:
    """Asks for one thing after the other on one connection, which it keeps."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._token = token

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        content = None if body is None else json.dumps(body).encode()
        if content:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        document = answer.read()
        return answer.status, answer.headers, json.loads(document) if document else None

    def close(self) -> None:
        self._connection.close()


@dataclass
class Place:
    """A client's own image and session of a project that it shares with others."""

    token: str
    project_id: str
    session_id: str
    image_id: str


def _places(url: str, tables: Tables) -> list[Place]:
    """Some users' projects; the images and the sessions are written as a past has left them."""
    places = []
    for _ in range(PROJECTS):
        name, client = f"u-{uuid4().hex[:12]}", Client(url)
        user = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        assert client.send("POST", "/api/users", user)[0] == 201
        login = client.send("POST", "/api/auth/login", {"login": name, "password": PASSWORD})[2]
        owner = Client(url, login["accessToken"])
        project_id = owner.send("POST", "/api/projects", {"projectName": "a project"})[2]["projectId"]
        session = make_session(project_id, Status.COMPLETED)
        images = [make_image(project_id) for _ in range(CLIENTS // PROJECTS)]
        tables.put_many(SESSIONS, [to_item(session)])
        tables.put_many(IMAGES, [to_item(each) for each in images])
        places += [
            Place(login["accessToken"], project_id, session.session_id, each.image_id) for each in images
        ]
        client.close()
        owner.close()
    return places


def _work(url: str, place: Place, start: Barrier, seconds: float) -> Seen:
    """Asks until the time is over; the connection is made together with everybody else's."""
    seen, client, chance = Seen(), Client(url, place.token), random.Random(place.image_id)
    project = f"/api/projects/{place.project_id}"
    reads = [
        f"{project}/training/{place.session_id}/status",
        f"{project}/data/images?limit=20",
        f"{project}/data/labels",
    ]
    start.wait()
    deadline, number = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        number += 1
        if chance.random() < 0.3:
            label = f"label {number}"
            answer = _sent(
                client, seen, "POST", f"{project}/data/labels", {"labels": {place.image_id: label}}
            )
            seen.possible = [label] if answer == 200 else [*seen.possible, label]
        else:
            answer = _sent(client, seen, "GET", chance.choice(reads))
        if answer in (429, 503):
            time.sleep(0.5)
    client.close()
    return seen


def _sent(client: Client, seen: Seen, method: str, path: str, body: Any = None) -> int | None:
    try:
        status, headers, document = client.send(method, path, body)
    except OSError as error:
        seen.wrong.append(f"{method} {path}: {error!r}")
        client.close()
        return None
    seen.statuses[status] += 1
    if status != 200 and not (status in (429, 503) and "Retry-After" in headers):
        seen.wrong.append(f"{method} {path}: {status} {document}")
    return status


@pytest.mark.injects(
    "a second in which 200 clients ask at once for statuses and lists and write labels",
    times=10,
    soak=120,
    outcome="answered, or 429 or 503 with Retry-After; every acknowledged label is read back",
)
def test_two_hundred_clients_at_once(
    up: tuple[str, str], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's connection is refused, nobody gets an error that says nothing, and no label is lost."""
    url, aws = up
    for name, value in (
        ("AWS_ENDPOINT_URL", aws), ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", CREDENTIALS.access_key), ("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secret_key),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    places = _places(url, Tables(Aws(), "darkroom-local-"))
    start = Barrier(CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as pool:
        seen = list(pool.map(lambda place: _work(url, place, start, times), places))
    statuses = sum((each.statuses for each in seen), Counter[int]())
    assert [wrong for each in seen for wrong in each.wrong] == []
    assert sum(bool(each.statuses) for each in seen) == CLIENTS
    assert statuses[200] >= CLIENTS, statuses
    labels = _labels(url, places)
    lost = {
        place.image_id: (labels.get(place.image_id), each.possible)
        for place, each in zip(places, seen, strict=True)
        if labels.get(place.image_id) not in each.possible
    }
    assert lost == {}


def _labels(url: str, places: list[Place]) -> dict[str, str]:
    """Image -> label, of all the projects, as the API shows them."""
    found: dict[str, str] = {}
    for token, project_id in {(each.token, each.project_id) for each in places}:
        client = Client(url, token)
        status, _, page = client.send("GET", f"/api/projects/{project_id}/data/labels?limit=100")
        assert (status, page["nextCursor"]) == (200, None)
        found |= {each["imageId"]: each["label"] for each in page["items"]}
        client.close()
    return found
