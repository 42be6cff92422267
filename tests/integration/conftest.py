"""The API in the process, through Chalice's test client, on the embedded AWS."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from chalice.test import Client

from chalicelib import bootstrap, openapi
from chalicelib.routes.api import STAGE
from chalicelib.routes.documentation import BLUEPRINTS
from chalicelib.routes.headers import SECURITY
from infra.local.aws import EmbeddedAws

JSON = "application/json"
PASSWORD = "a long enough password"


@dataclass
class Api:
    """Sends requests as one user, or as nobody; API Gateway would take its stage off their paths."""

    client: Client
    token: str | None = None

    def send(
        self, method: str, path: str, body: bytes = b"", content_type: str = JSON, **headers: str
    ) -> "Answer":
        sent = {"Content-Type": content_type, **{name.replace("_", "-"): headers[name] for name in headers}}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        response = self.client.http.request(method, path.removeprefix(f"/{STAGE}"), headers=sent, body=body)
        answer = Answer(response.status_code, dict(response.headers), response.body)
        _check_documented(method, path, answer)
        return answer

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> "Answer":
        return self.send(method, path, b"" if body is None else json.dumps(body).encode(), **headers)

    def send_files(self, path: str, files: Sequence[tuple[str, bytes]], field: str = "images") -> "Answer":
        body, content_type = multipart(files, field)
        return self.send("POST", path, body, content_type)

    def register(self) -> "Api":
        """A new user, logged in."""
        name = f"u-{uuid4().hex[:12]}"
        user = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        assert self.call("POST", "/api/users", user).status == 201
        login = self.call("POST", "/api/auth/login", {"login": name, "password": PASSWORD})
        return Api(self.client, login.json["accessToken"])

    def project(self, task_type: str = "classification") -> str:
        """The path of a new project."""
        made = self.call("POST", "/api/projects", {"projectName": "a project", "taskType": task_type})
        return f"/api/projects/{made.json['projectId']}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> str:
        """The code of an error, whose form is checked."""
        document = self.json
        assert self.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "requestId"} <= document.keys()
        assert document["status"] == self.status >= 400
        return str(document["code"])


def _check_documented(method: str, path: str, answer: Answer) -> None:
    """Whatever a test asks: the OpenAPI document has the status, and the security headers are there."""
    assert SECURITY.keys() <= answer.headers.keys()
    statuses = next((found for pattern, found in _statuses()[method] if pattern.fullmatch(path)), None)
    if statuses is not None:
        assert {str(answer.status), f"{answer.status // 100}XX"} & statuses, (method, path, answer.status)


@cache
def _statuses() -> Mapping[str, list[tuple[re.Pattern[str], set[str]]]]:
    """Method -> patterns of paths, literal ones first, with the statuses that are documented."""
    document = openapi.document(each for blueprint in BLUEPRINTS for each in blueprint.endpoints)
    found: dict[str, list[tuple[re.Pattern[str], set[str]]]] = defaultdict(list)
    for path in sorted(document["paths"], key=lambda each: each.count("{")):
        pattern = re.compile(re.sub(r"{\w+}", "[^/?]+", path) + r"(\?.*)?")
        for method, operation in document["paths"][path].items():
            found[method.upper()].append((pattern, set(operation["responses"])))
    return found


def multipart(files: Sequence[tuple[str, bytes]], field: str = "images") -> tuple[bytes, str]:
    """A multipart/form-data body with these files, and its content type; names go out as they are."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Counts the requests that leave for AWS, retries included, by service."""
    calls: Counter[str] = Counter()

    def count(event_name: str, **_: Any) -> None:
        calls[event_name.split(".")[1]] += 1

    aws = bootstrap.aws()
    clients = (aws.dynamodb, aws.s3, aws.batch, aws.functions, aws.logs)
    for client in clients:
        client.meta.events.register("before-send", count)
    try:
        yield calls
    finally:
        for client in clients:
            client.meta.events.unregister("before-send", count)


@pytest.fixture(scope="session")
def environment(stack: EmbeddedAws) -> Iterator[None]:
    """The environment of the functions, for as long as a module's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        forget()
        yield
        forget()


def forget() -> None:
    """The next call makes services and clients anew, as a function does that has just started."""
    bootstrap.services.cache_clear()
    bootstrap.settings.cache_clear()
    bootstrap.aws.cache_clear()


@pytest.fixture(scope="session")
def nobody(environment: None) -> Iterator[Api]:
    """The API without a token."""
    from app import app

    with Client(app) as client:
        yield Api(client)


@pytest.fixture
def api(nobody: Api) -> Api:
    """The API as a new user."""
    return nobody.register()
