"""What is asked of each endpoint and each handler while AWS fails: a new one needs a line here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app import app
from chalicelib.console import console
from chalicelib.contract.errors import UnavailableError
from tests.images import image
from tests.integration.conftest import PASSWORD, Answer, multipart
from tests.integration.reliability.world import World
from tests.integration.test_recovery import EVENT

_PROJECT = "/api/projects/{projectId}"
_DATA, _TRAINING = f"{_PROJECT}/data", f"{_PROJECT}/training"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request, or one event.

    Attributes:
        name: the endpoint as declared, or the handler; with more than one, a word behind it.
        act: sends it; the same each time.
        repeats: statuses with which a repeat may say that the first request did it, unheard.
        twice: whether a repeat is another request, as it has no key by which it is known: what the
            first did without an answer stands beside it.
        is_tick: whether it comes again whatever came of it.
        is_cold: whether it comes to a function that has just started, and so knows no signing keys.
    """

    name: str
    act: Callable[[World], Answer]
    repeats: tuple[int, ...] = ()
    twice: bool = False
    is_tick: bool = False
    is_cold: bool = False

    @property
    def of(self) -> str:
        return self.name.split(",")[0]


def _request(
    name: str,
    body: Any = None,
    *,
    at: str = "",
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Scenario:
    """A scenario of the endpoint `name`; `at` is the path that is asked, if it has a query or other ids."""
    method, path = name.split(",")[0].split()
    sent = body if callable(body) else lambda _: body

    def act(world: World) -> Answer:
        return world.call(method, at or path, sent(world), **(headers or {}))

    return Scenario(name, act, **options)


def _keyed(name: str, body: Any = None, **options: Any) -> Scenario:
    return _request(f"{name}, with a key", body, headers={"Idempotency_Key": "once"}, **options)


def _files(world: World, **headers: str) -> Answer:
    files = [("0.png", image(0)), ("new.png", image(40)), ("other.png", image(41)), ("none.png", b"no image")]
    body, content_type = multipart(files)
    path = f"{_DATA}/images".format(**world.ids)
    return world.api.send("POST", path, body, content_type, **headers)


def _predict(world: World) -> Answer:
    path = f"{_TRAINING}/{{sessionId}}/predict".format(**world.ids)
    return world.api.send_files(path, [("a.png", image(1))], "image")


_KEY = {"name": "a key", "scopes": ["read"]}
_ANNOUNCED = {
    "files": [
        {"fileName": "q.png", "sizeBytes": 99, "contentType": "image/png"},
        {"fileName": "huge.png", "sizeBytes": 60_000_000, "contentType": "image/png"},
    ]
}
_ARCHIVE = {"fileName": "data.zip", "sizeBytes": 20_000_000}
_EXPORT = {"format": "coco"}
_NEW_USER = str(uuid4())[:12]

REQUESTS = [
    _request(
        "POST /api/users",
        {"username": _NEW_USER, "email": f"{_NEW_USER}@example.org", "password": PASSWORD},
        repeats=(409,),
    ),
    _request("GET /api/users/me"),
    _request("GET /api/users/me, the first of a function", is_cold=True),
    # Every token of before ends, that with which a repeat would come too.
    _request(
        "POST /api/users/me/password",
        {"currentPassword": PASSWORD, "newPassword": f"{PASSWORD} again"},
        repeats=(401,),
    ),
    _request("POST /api/users/me/keys", _KEY, twice=True),
    _request("GET /api/users/me/keys"),
    _request("DELETE /api/users/me/keys/{keyId}", repeats=(404,)),
    _request("POST /api/auth/login", lambda w: {"login": w.login, "password": PASSWORD}, twice=True),
    # Who never heard of the new token sends the old one again, as a thief would: the login ends.
    _request(
        "POST /api/auth/refresh", lambda w: {"refreshToken": w.refresh_token}, repeats=(401,), twice=True
    ),
    _request("POST /api/auth/logout", lambda w: {"refreshToken": w.refresh_token, "everywhere": True}),
    _request("POST /api/projects", {"projectName": "new", "taskType": "detection"}, twice=True),
    _request("GET /api/projects"),
    _request(f"GET {_PROJECT}"),
    _request(f"PATCH {_PROJECT}", {"description": "changed"}),
    _request(f"DELETE {_PROJECT}", repeats=(404,)),
    Scenario(f"POST {_DATA}/images", _files),
    Scenario(f"POST {_DATA}/images, with a key", lambda w: _files(w, Idempotency_Key="once")),
    _request(f"POST {_DATA}/uploads", _ANNOUNCED, twice=True),
    _keyed(f"POST {_DATA}/uploads", _ANNOUNCED),
    _request(f"POST {_DATA}/uploads/{{uploadId}}/renew"),
    _request(f"GET {_DATA}/uploads/{{uploadId}}"),
    _request(f"GET {_DATA}/images"),
    _request(f"GET {_DATA}/images, filtered", at=f"{_DATA}/images?label=a"),
    _request(f"GET {_DATA}/images/{{imageId}}"),
    _request(f"DELETE {_DATA}/images/{{imageId}}", repeats=(404,)),
    _request(f"POST {_DATA}/images/delete", lambda w: {"imageIds": [w.ids["imageId"]]}),
    _request(f"POST {_DATA}/images/delete, by filter", {"filter": {"label": "a"}}),
    _request(f"GET {_DATA}/summary"),
    _request(f"POST {_DATA}/labels", {"labels": {"0.png": "c", "3.png": "d"}}),
    _request(f"GET {_DATA}/labels"),
    _request(f"POST {_DATA}/splits", {"splits": {"0.png": "train", "1.png": "val"}}),
    _request(f"POST {_DATA}/classes/rename", {"renames": {"a": "e"}}),
    _request(f"POST {_DATA}/versions", {"name": "second"}, repeats=(409,)),
    _request(f"GET {_DATA}/versions"),
    _request(f"GET {_DATA}/versions/{{versionId}}"),
    _request(f"GET {_DATA}/versions/{{versionId}}/compare"),
    _request(f"POST {_DATA}/imports", _ARCHIVE, twice=True),
    _keyed(f"POST {_DATA}/imports", _ARCHIVE),
    _request(f"GET {_DATA}/imports"),
    _request(f"GET {_DATA}/imports/{{importId}}"),
    _request(f"GET {_DATA}/imports/{{importId}}, without a job", at=f"{_DATA}/imports/{{lostImportId}}"),
    _request(f"POST {_DATA}/imports/{{importId}}/complete"),
    _request(f"POST {_DATA}/exports", _EXPORT, twice=True),
    _keyed(f"POST {_DATA}/exports", _EXPORT),
    _request(f"GET {_DATA}/exports"),
    _request(f"GET {_DATA}/exports/{{exportId}}"),
    _request(f"PUT {_TRAINING}/configure", {"epochs": 2}, twice=True),
    _request(f"GET {_TRAINING}/configure"),
    _request(
        f"GET {_TRAINING}/configure, the first time", at="/api/projects/{bareId}/training/configure",
        twice=True,
    ),
    _request(f"POST {_TRAINING}/start", twice=True),
    _keyed(f"POST {_TRAINING}/start"),
    _request(f"GET {_TRAINING}"),
    _request(f"POST {_TRAINING}/{{sessionId}}/stop, while it waits", at=f"{_TRAINING}/{{waiting}}/stop"),
    _request(f"POST {_TRAINING}/{{sessionId}}/stop, while it runs", at=f"{_TRAINING}/{{running}}/stop"),
    _request(
        f"GET {_TRAINING}/{{sessionId}}/status", at=f"{_TRAINING}/{{sessionId}}/status?history=true"
    ),
    _request(f"GET {_TRAINING}/{{sessionId}}/results"),
    _request(f"GET {_TRAINING}/{{sessionId}}/logs", at=f"{_TRAINING}/{{running}}/logs"),
    Scenario(f"POST {_TRAINING}/{{sessionId}}/predict", _predict),
    _request("GET /api/openapi.json"),
    _request("GET /api/"),
    _request("GET /api/docs"),
    _request(
        "GET /api/console/{version}/{folder}/{file}",
        at=f"/api/console/{console().version}/{next(iter(console().assets))}",
    ),
]  # fmt: skip


def _messages(*bodies: Any) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "1"}
    return {
        "Records": [
            {"messageId": str(number), "attributes": attributes, "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def _queued(name: str, bodies: Callable[[World], list[Any]]) -> Scenario:
    """A batch of messages; those that fail come again, which counts as "ask again"."""

    def act(world: World) -> Answer:
        answer = app.handler_map[name](_messages(*bodies(world)), None)
        return Answer(503, {"Retry-After": "1"}, b"") if answer["batchItemFailures"] else Answer(200, {}, b"")

    return Scenario(name, act, is_cold=True)


def _tick(name: str) -> Scenario:
    """A schedule's run: one that says that AWS is out of reach leaves the rest to the next."""

    def act(_: World) -> Answer:
        try:
            app.handler_map[name](EVENT, None)
        except UnavailableError:
            return Answer(503, {"Retry-After": "300"}, b"")
        return Answer(200, {}, b"")

    return Scenario(name, act, is_tick=True, is_cold=True)


def _landed(world: World) -> list[Any]:
    keys = (world.ids["landed"], world.ids["noImage"])
    return [{"Records": [{"s3": {"object": {"key": each}}}]} for each in keys]


def _ended(world: World) -> list[Any]:
    """Jobs that failed: a run's whose job isn't known, and an import's."""
    lost = (world.ids["lost"], {"SESSION_ID": world.ids["lost"]})
    sent = (world.ids["lostImportId"], {"TRANSFER_KIND": "import"})
    return [_notice(world, *each) for each in (lost, sent)]


def _notice(world: World, name: str, variables: Mapping[str, str]) -> Any:
    own = {"PROJECT_ID": world.ids["projectId"], **variables}
    environment = [{"name": key, "value": value} for key, value in own.items()]
    detail = {
        "jobId": "a-job",
        "jobName": name,
        "status": "FAILED",
        "container": {"environment": environment},
    }
    return {"detail": detail}


def _rotate(_: World) -> Answer:
    """All four steps; Secrets Manager sends one again that failed."""
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        event = {"Step": step, "ClientRequestToken": _VERSION, "SecretId": "secret"}
        try:
            app.handler_map["rotate_keys"](event, None)
        except UnavailableError:
            return Answer(503, {"Retry-After": "1"}, b"")
    return Answer(200, {}, b"")


_VERSION = str(uuid4())

HANDLERS = [
    _queued("ingest", _landed),
    _queued("job_state", _ended),
    _tick("sweep"),
    _tick("remove"),
    _tick("recover"),
    Scenario("rotate_keys", _rotate, is_cold=True),
]
