"""A run in the embedded AWS, and a request for its status."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from chalice.test import Client

from examples.digits import digits
from infra.local.aws import embedded_aws
from infra.packaged.proxy import Request, proxy_event

_ROUTE = "/projects/{project_id}/training/{session_id}/status"  # as apps/status.py has it
_PASSWORD = "a long enough password"  # noqa: S105 - of a user who lives as long as the benchmark


@dataclass(frozen=True, slots=True)
class World:
    """Attributes:
    variables: the functions' environment.
    status: the event of a request for the status of a run.
    peers: the same for apps that name the ids of the path as Python does.
    empty: that of a request for a view that does nothing.
    """

    variables: Mapping[str, str]
    status: Mapping[str, Any]
    peers: Mapping[str, Any]
    empty: Mapping[str, Any]


@contextmanager
def world() -> Iterator[World]:
    """A user with a run that waits for a machine, since there is none."""
    with embedded_aws("darkroom-bench") as aws:
        os.environ.update(aws.environment)
        from app import app

        with Client(app) as client:
            api = _Api(client, "" if "/projects" in app.routes else "/api")
            project, session = _run(api)
        route = next(each for each in app.routes if each.endswith("/training/{sessionId}/status"))
        ids = {"projectId": project, "sessionId": session}
        headers = [("Accept", "application/json"), ("Authorization", f"Bearer {api.token}"), ("Host", "api")]
        yield World(
            dict(aws.environment) | {"POWERTOOLS_METRICS_DISABLED": "true", "LANG": "en_US.UTF-8"},
            _event(route, ids, headers),
            _event(_ROUTE, {"project_id": project, "session_id": session}, headers),
            _event("/empty", {}, headers),
        )


def _event(route: str, ids: Mapping[str, str], headers: list[tuple[str, str]]) -> dict[str, Any]:
    request = Request("GET", "api", route.format(**ids), "", headers, b"", "request")
    return proxy_event(request, route, ids, False)


class _Api:
    """Sends requests to the app in this process; a path is found with the stage's name or without."""

    def __init__(self, client: Client, stage: str) -> None:
        self._client, self._stage = client, stage
        self.token = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(method, path, content, "application/json")

    def send(self, method: str, path: str, content: bytes, content_type: str) -> Any:
        headers = {"Content-Type": content_type, "Authorization": f"Bearer {self.token}"}
        answer = self._client.http.request(method, self._stage + path, headers=headers, body=content)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.body!r}")
        return json.loads(answer.body) if answer.body else None


def _run(api: _Api) -> tuple[str, str]:
    """The ids of a project and of its run."""
    user = {"username": "bench", "email": "bench@example.org", "password": _PASSWORD}
    api.call("POST", "/users", user)
    api.token = api.call("POST", "/auth/login", {"login": "bench", "password": _PASSWORD})["accessToken"]
    project = api.call("POST", "/projects", {"projectName": "bench"})["projectId"]
    files, labels = digits(40)
    content, content_type = urllib3.encode_multipart_formdata([("images", file) for file in files])
    api.send("POST", f"/projects/{project}/data/images", content, content_type)
    api.call("POST", f"/projects/{project}/data/labels", {"labels": labels})
    api.call("PUT", f"/projects/{project}/training/configure", {"pretrained": False})
    return project, api.call("POST", f"/projects/{project}/training/start")["sessionId"]
