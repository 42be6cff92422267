"""Deleting a project over HTTP, and what the removal leaves of it on the embedded AWS: nothing."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Services, assemble, aws_ports
from chalicelib.contract.attributes import marshal, to_item
from chalicelib.contract.ids import FIRST
from chalicelib.contract.objects import project_prefixes, transfer_key
from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.tables import CONFIGURATIONS, IMAGES, KEYS, LABELS, METRICS, PROJECTS, SESSIONS
from chalicelib.settings import Settings
from infra.local import jobs as jobs  # a job waits RUNNABLE: imported for its effect on moto
from infra.local.aws import EmbeddedAws
from tests.images import image
from tests.integration.conftest import Api
from tests.integration.test_api_data import _ingest, _post
from tests.support import NOW

#: The members of a scheduled event that Chalice reads.
_EVENT = ("version", "account", "region", "detail", "detail-type", "source", "time", "id", "resources")


@dataclass
class Later:
    """A clock that is ahead."""

    ahead: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def _later(**ahead: float) -> tuple[Services, Later]:
    """The services of the stage as they will be some time from now."""
    clock = Later(timedelta(**ahead))
    return assemble(replace(aws_ports(Settings.read(os.environ), bootstrap.aws()), clock=clock)), clock


def _remove(**ahead: float) -> None:
    services, clock = _later(**ahead)
    services.removal.run(clock.now() + timedelta(minutes=4))


@dataclass
class Traces:
    """All that the embedded AWS has of a project."""

    stack: EmbeddedAws
    project_id: str
    session_id: str

    def rows(self) -> dict[str, list[Any]]:
        parents = dict.fromkeys((PROJECTS, IMAGES, LABELS, CONFIGURATIONS, SESSIONS), self.project_id)
        return {table: self._rows(table, key) for table, key in {**parents, METRICS: self.session_id}.items()}

    def _rows(self, table: str, key: str) -> list[Any]:
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.stack.outputs["TablePrefix"] + table,
                KeyConditionExpression="#key = :key",
                ExpressionAttributeNames={"#key": KEYS[table][0]},
                ExpressionAttributeValues={":key": {"S": key}},
            )
        )
        return [item for page in pages for item in page["Items"]]

    def objects(self) -> dict[str, str]:
        """Key -> ETag, and multipart uploads in progress by their id."""
        client, bucket = self.stack.client("s3"), self.stack.outputs["Bucket"]
        found: dict[str, str] = {}
        for prefix in project_prefixes(self.project_id):
            contents = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
            uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
            found |= {each["Key"]: each["ETag"] for each in contents}
            found |= {each["UploadId"]: each["Key"] for each in uploads}
        return found


def _filled(api: Api, stack: EmbeddedAws) -> tuple[str, Traces, dict[str, Any]]:
    """The path of a project with something of everything, its traces, and its open upload."""
    project = api.project()
    project_id = project.rsplit("/", 1)[1]
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(4)])
    labels = {f"{n}.png": "ab"[n % 2] for n in range(4)}
    assert api.call("POST", f"{project}/data/labels", {"labels": labels}).status == 200
    assert api.call("PUT", f"{project}/training/configure", {"epochs": 1}).status == 200
    session_id = api.call("POST", f"{project}/training/start").json["sessionId"]
    files = [{"fileName": f"p{n}.png", "sizeBytes": 99, "contentType": "image/png"} for n in range(2)]
    upload = api.call("POST", f"{project}/data/uploads", {"files": files}).json
    _post(upload, upload["images"][0]["key"], image(9))
    _ingest(api, upload["images"][0]["key"])
    bucket = stack.outputs["Bucket"]
    stack.client("s3").create_multipart_upload(Bucket=bucket, Key=transfer_key(project_id, FIRST, "archive"))
    figures = dict.fromkeys(
        ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5
    )
    epoch = EpochMetrics(
        session_id=session_id, epoch=1, created_at=NOW, expires_at=2_000_000_000,
        images_per_second=1.0, epoch_seconds=1.0, **figures,
    )  # fmt: skip
    table = stack.outputs["TablePrefix"] + METRICS
    stack.client("dynamodb").put_item(TableName=table, Item=to_item(epoch))
    return project, Traces(stack, project_id, session_id), upload


@pytest.fixture
def begin_run(stack: EmbeddedAws) -> Iterator[Any]:
    """Makes a session one that runs, as its container would."""

    def begin(traces: Traces) -> str:
        [session] = traces.rows()[SESSIONS]
        stack.client("dynamodb").put_item(
            TableName=stack.outputs["TablePrefix"] + SESSIONS, Item=session | marshal({"Status": "running"})
        )
        return str(session["JobID"]["S"])

    return begin


def test_a_deleted_project_leaves_nothing_and_takes_nothing_along(
    api: Api, stack: EmbeddedAws, begin_run: Any
) -> None:
    """A project with a run in progress and an upload in flight goes whole; its neighbour stays as it is."""
    project, traces, upload = _filled(api, stack)
    neighbour, beside, _ = _filled(api, stack)
    job_id = begin_run(traces)
    _later()[0].oversight.sweep()  # notes that the neighbour's job waits
    rows, objects = beside.rows(), beside.objects()
    assert all(rows.values())

    assert api.call("DELETE", project).status == 204
    for method, path, body in [
        ("GET", "", None),
        ("POST", f"/data/uploads/{upload['uploadId']}/renew", None),
        ("POST", "/data/labels", {"labels": {"0.png": "c"}}),
        ("POST", "/training/start", None),
        ("DELETE", "", None),
    ]:
        assert api.call(method, project + path, body).problem() == "project-not-found"
    app.handler_map["remove"](dict.fromkeys(_EVENT, ""), None)
    left = traces.rows()
    assert {name for name, found in left.items() if found} == {PROJECTS, SESSIONS, METRICS}
    assert traces.objects() == {}

    # The form still works for an hour: what it brings is thrown away, or found by a later pass.
    late, lost = (each["key"] for each in upload["images"])
    assert [_post(upload, key, image(8)) for key in (late, lost)] == [204, 204]
    _ingest(api, late)
    assert traces.objects().keys() == {lost}
    services, _ = _later(minutes=11)
    services.oversight.sweep()
    [job] = stack.client("batch").describe_jobs(jobs=[job_id])["jobs"]
    assert job["status"] == "FAILED"
    _remove(minutes=17)
    assert [name for name, found in traces.rows().items() if found] == [PROJECTS]
    assert traces.objects() == {}

    _remove(hours=2)
    assert not any(traces.rows().values())
    assert (beside.rows(), beside.objects()) == (rows, objects)
    assert api.call("GET", neighbour).status == 200
