"""A user with something of everything: what the requests and handlers under fault work on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from chalicelib import bootstrap
from chalicelib.contract.attributes import marshal, to_item
from chalicelib.contract.objects import session_key, transfer_key
from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.tables import IMAGES, KEYS, METRICS, PROJECTS, SESSIONS
from infra.local.aws import EmbeddedAws, embedded_aws
from tests.images import image
from tests.integration.conftest import PASSWORD, Api, forget
from tests.integration.logged import leave_log
from tests.integration.test_api_data import _post
from tests.integration.test_api_training import _results
from tests.integration.test_transfers import put_parts, zipped
from tests.support import NOW

LONG_AGO = "2020-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class World:
    """A user's rows by their ids; `ids` has one for each name in a path, and those of the handlers."""

    api: Api
    stack: EmbeddedAws
    user_id: str
    login: str
    refresh_token: str
    ids: Mapping[str, str]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.api.call(method, path.format(**self.ids), body, **headers)

    def set(self, table: str, key: Mapping[str, Any], **values: Any) -> None:
        set_attributes(self.stack, table, key, **values)


@contextmanager
def own_stack(name: str) -> Iterator[EmbeddedAws]:
    """A stack that no other test has rows in, and the functions' environment for it."""
    with embedded_aws(name) as stack, pytest.MonkeyPatch.context() as patch:
        for variable, value in stack.environment.items():
            patch.setenv(variable, value)
        forget()
        yield stack
    forget()


def set_attributes(stack: EmbeddedAws, table: str, key: Mapping[str, Any], **values: Any) -> None:
    """Writes to a row what time, or a container, would have; None takes an attribute away."""
    given = {name: value for name, value in values.items() if value is not None}
    sets = "SET " + ", ".join(f"#{name} = :{name}" for name in given) if given else ""
    removes = ", ".join(f"#{name}" for name in values if name not in given)
    bound = {f":{name}": value for name, value in given.items()}
    bootstrap.aws().dynamodb.update_item(
        TableName=stack.outputs["TablePrefix"] + table,
        Key=marshal(key),
        UpdateExpression=sets + (f" REMOVE {removes}" if removes else ""),
        ConditionExpression="attribute_exists(#key)",
        ExpressionAttributeNames={"#key": KEYS[table][0], **{f"#{name}": name for name in values}},
        **({"ExpressionAttributeValues": marshal(bound)} if bound else {}),
    )


def build(nobody: Api, stack: EmbeddedAws, name: str) -> World:
    """Registers a user and fills their projects, over the API as far as it goes."""
    user = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    user_id = _sent(nobody, "POST", "/api/users", user)["userId"]
    tokens = _sent(nobody, "POST", "/api/auth/login", {"login": name, "password": PASSWORD})
    api = Api(nobody.client, tokens["accessToken"])
    project, removed = _project(api), _project(api)
    ids = _data(api, project) | _upload(api, stack, project) | _transfers(api, stack, project)
    ids |= _runs(api, stack, project) | {"projectId": _id(project)}
    ids |= {"bareId": _id(api.project()), "removedId": _id(removed)}
    ids["keyId"] = _sent(api, "POST", "/api/users/me/keys", {"name": "key", "scopes": ["read"]})["keyId"]
    _remove(api, stack, removed)
    return World(api, stack, user_id, name, tokens["refreshToken"], ids)


def _sent(api: Api, method: str, path: str, body: Any = None, **headers: str) -> Any:
    answer = api.call(method, path, body, **headers)
    assert answer.status < 300, answer.body
    return answer.json if answer.body else None


def _id(project: str) -> str:
    return project.rsplit("/", 1)[1]


def _project(api: Api) -> str:
    """Four images, labelled, and a configuration."""
    project = api.project()
    files = [(f"{n}.png", image(n)) for n in range(4)]
    assert api.send_files(f"{project}/data/images", files).status == 201
    _sent(api, "POST", f"{project}/data/labels", {"labels": {f"{n}.png": "ab"[n % 2] for n in range(4)}})
    _sent(api, "PUT", f"{project}/training/configure", {"epochs": 1})
    return project


def _data(api: Api, project: str) -> dict[str, str]:
    listed = _sent(api, "GET", f"{project}/data/images?limit=50")["items"]
    version = _sent(api, "POST", f"{project}/data/versions", {"name": "first"})["versionId"]
    # The data has changed since, so that a start makes a version of its own.
    _sent(api, "POST", f"{project}/data/labels", {"labels": {"0.png": "b", "1.png": "a"}})
    return {"imageId": listed[0]["imageId"], "versionId": version}


def _upload(api: Api, stack: EmbeddedAws, project: str) -> dict[str, str]:
    """Two files that landed a while ago, an image and none, and one that didn't."""
    files = [{"fileName": f"p{n}.png", "sizeBytes": 99, "contentType": "image/png"} for n in range(3)]
    upload = _sent(api, "POST", f"{project}/data/uploads", {"files": files})
    keys = [each["key"] for each in upload["images"]]
    for key, content in zip(keys, (image(20), b"no image"), strict=False):
        assert _post(upload, key, content) == 204
        _backdate(stack, key)
    row = {"ProjectID": _id(project), "ImageID": f"upload#{upload['uploadId']}"}
    set_attributes(stack, IMAGES, row, ClosesAt=LONG_AGO)
    return {"uploadId": upload["uploadId"], "landed": keys[0], "noImage": keys[1]}


def _backdate(stack: EmbeddedAws, key: str) -> None:
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[stack.outputs["Bucket"]]
    bucket.keys[key].last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)


def _transfers(api: Api, stack: EmbeddedAws, project: str) -> dict[str, str]:
    """An import that was sent, one whose job isn't known, and an export that has ended."""
    archive = zipped({"a.png": image(30)})
    announced = {"fileName": "data.zip", "sizeBytes": len(archive)}
    sent, lost = (_sent(api, "POST", f"{project}/data/imports", announced) for _ in range(2))
    put_parts(sent, archive)
    put_parts(lost, archive)
    _sent(api, "POST", f"{project}/data/imports/{lost['importId']}/complete")
    row = {"ProjectID": _id(project), "ImageID": f"import#{lost['importId']}"}
    set_attributes(stack, IMAGES, row, HeartbeatAt=LONG_AGO, BatchJobID=None)
    export = _sent(api, "POST", f"{project}/data/exports", {"format": "darkroom"})["exportId"]
    return {"importId": sent["importId"], "lostImportId": lost["importId"], "exportId": export}


def _runs(api: Api, stack: EmbeddedAws, project: str) -> dict[str, str]:
    """One that waits, one that trains, one with results; a lost answer, and a stop that nobody heard."""
    start = f"{project}/training/start"
    names = ("waiting", "running", "sessionId", "lost", "silent")
    ids = {name: _sent(api, "POST", start)["sessionId"] for name in names}

    def change(name: str, **values: Any) -> None:
        key = {"ProjectID": _id(project), "SessionID": ids[name]}
        set_attributes(stack, SESSIONS, key, **values)

    change("running", Status="running", Attempt=1, HeartbeatAt=NOW.replace("2026", "2126"))
    change("lost", JobID=None, StartTime=LONG_AGO)
    change("silent", Status="running", Attempt=1, StopRequestedAt=LONG_AGO)
    key = session_key(_id(project), ids["sessionId"], "results.json")
    document = json.dumps(_results(key)).encode()
    bootstrap.aws().s3.put_object(Bucket=stack.outputs["Bucket"], Key=key, Body=document)
    ended = {"Status": "completed", "ResultsKey": key, "EndTime": LONG_AGO, "Active": None, "Attempt": 1}
    change("sessionId", **ended, Metrics={"epoch": 1})
    _end_job(stack, project, ids["sessionId"])
    leave_log(stack, ids["running"])
    _epoch(stack, ids["sessionId"])
    return ids


def _end_job(stack: EmbeddedAws, project: str, session_id: str) -> None:
    key = {"ProjectID": _id(project), "SessionID": session_id}
    table = stack.outputs["TablePrefix"] + SESSIONS
    row = bootstrap.aws().dynamodb.get_item(TableName=table, Key=marshal(key))["Item"]
    bootstrap.aws().batch.terminate_job(jobId=row["JobID"]["S"], reason="it has ended")


def _epoch(stack: EmbeddedAws, session_id: str) -> None:
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")
    epoch = EpochMetrics(
        session_id=session_id, epoch=1, created_at=NOW, expires_at=2_000_000_000,
        images_per_second=1.0, epoch_seconds=1.0, **dict.fromkeys(names, 0.5),
    )  # fmt: skip
    bootstrap.aws().dynamodb.put_item(TableName=stack.outputs["TablePrefix"] + METRICS, Item=to_item(epoch))


def _remove(api: Api, stack: EmbeddedAws, project: str) -> None:
    """Deletes a project with a run and an import in it, a day ago."""
    session = _sent(api, "POST", f"{project}/training/start")["sessionId"]
    key = transfer_key(_id(project), session, "archive")
    bootstrap.aws().s3.create_multipart_upload(Bucket=stack.outputs["Bucket"], Key=key)
    _epoch(stack, session)
    _sent(api, "DELETE", project)
    row = {"ProjectID": _id(project)}
    set_attributes(stack, PROJECTS, row, DeletedAt=LONG_AGO)
    set_attributes(stack, SESSIONS, row | {"SessionID": session}, EndTime=LONG_AGO)
