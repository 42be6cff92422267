"""What each request costs in calls, counted where botocore sends them, against docs/architecture.md."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from app import app
from infra.local.aws import EmbeddedAws
from tests import models
from tests.images import image
from tests.integration.conftest import Api, counted
from tests.integration.logged import leave_log
from tests.integration.test_api_training import _results, _set

IMAGES = 60
TABLE = Path(__file__).parents[2] / "docs" / "architecture.md"


def documented() -> dict[str, tuple[int, int, int]]:
    """The table in docs/architecture.md: request -> calls of DynamoDB, S3 and Batch."""
    rows = re.findall(r"^\| `(.+?)`.*?\|.*\| (\d+) \| (\d+) \| (\d+) \|$", TABLE.read_text(), re.MULTILINE)
    return {name: (int(dynamodb), int(s3), int(batch)) for name, dynamodb, s3, batch in rows}


@pytest.fixture(scope="module")
def measured(nobody: Api, stack: EmbeddedAws) -> dict[str, tuple[int, int, int]]:
    """Calls of each request, on a project of 60 labelled images."""
    found: dict[str, tuple[int, int, int]] = {}

    @contextmanager
    def measure(name: str) -> Iterator[None]:
        with counted() as calls:
            yield
        found[name] = (calls["dynamodb"], calls["s3"], calls["batch"])

    api = nobody.register()
    project = api.project()
    files = [(f"{number}.png", image(number)) for number in range(IMAGES)]
    with measure("POST …/data/images"):
        assert api.send_files(f"{project}/data/images", files).status == 201
    with measure("POST …/data/images, all duplicates"):
        assert api.send_files(f"{project}/data/images", files).status == 201
    announced = [
        {"fileName": f"n{n}.png", "sizeBytes": 99, "contentType": "image/png"} for n in range(IMAGES)
    ]
    with measure("POST …/data/uploads"):
        upload = api.call("POST", f"{project}/data/uploads", {"files": announced}).json
    key = upload["images"][0]["key"]
    fields = {**upload["fields"], "key": key, "Content-Type": "image/png"}
    content = ("f", image(9999), "image/png")
    assert urllib3.request("POST", upload["url"], fields={**fields, "file": content}).status == 204
    body = json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})
    with measure("ingest of one image"):
        app.handler_map["ingest"]({"Records": [{"messageId": "1", "body": body}]}, None)
    with measure("GET …/data/uploads/{uploadId}"):
        api.call("GET", f"{project}/data/uploads/{upload['uploadId']}")
    labels = {f"{number}.png": str(number % 2) for number in range(IMAGES)}
    with measure("POST …/data/labels"):
        assert api.call("POST", f"{project}/data/labels", {"labels": labels}).status == 200
    with measure("GET …/data/images"):
        api.call("GET", f"{project}/data/images?limit=50")
    with measure("GET …/data/images, with a filter"):
        api.call("GET", f"{project}/data/images?limit=50&label=0")
    with measure("GET …/data/labels"):
        api.call("GET", f"{project}/data/labels?limit=50")
    with measure("GET …/data/summary"):
        api.call("GET", f"{project}/data/summary")
    with measure("POST …/data/splits"):
        splits = {f"{number}.png": None for number in range(IMAGES)}
        assert api.call("POST", f"{project}/data/splits", {"splits": splits}).status == 200
    with measure("POST …/data/classes/rename"):
        assert api.call("POST", f"{project}/data/classes/rename", {"renames": {"0": "2"}}).status == 200
    with measure("PUT …/training/configure"):
        assert api.call("PUT", f"{project}/training/configure", {"epochs": 1}).status == 200
    with measure("POST …/data/versions"):
        version = api.call("POST", f"{project}/data/versions", {"name": "first"}).json["versionId"]
    with measure("GET …/data/versions"):
        api.call("GET", f"{project}/data/versions")
    with measure("GET …/data/versions/{versionId}/compare"):
        assert api.call("GET", f"{project}/data/versions/{version}/compare").status == 200
    with measure("POST …/training/start, with versionId"):
        body = {"versionId": version}
        assert api.call("POST", f"{project}/training/start", body).status == 202
    assert api.call("POST", f"{project}/data/labels", {"labels": {"0.png": "1"}}).status == 200
    with measure("POST …/training/start"):
        session = api.call("POST", f"{project}/training/start").json["sessionId"]
    with measure("POST …/training/start, with Idempotency-Key"):
        api.call("POST", f"{project}/training/start", Idempotency_Key="counted")
    path = f"{project}/training/{session}"
    with measure("GET …/status"):
        assert api.call("GET", f"{path}/status").status == 200
    with measure("GET …/status?history=true"):
        assert api.call("GET", f"{path}/status?history=true").status == 200
    leave_log(stack, session)
    with measure("GET …/logs"):
        assert api.call("GET", f"{path}/logs").json["items"]
    with measure("POST …/stop"):
        assert api.call("POST", f"{path}/stop").json["status"] == "stopped"
    results_key = f"results-of-{session}"
    stack.client("s3").put_object(
        Bucket=stack.outputs["Bucket"], Key=results_key, Body=json.dumps(_results("k/model.onnx")).encode()
    )
    _set(stack, project, session, Status="completed", ResultsKey=results_key)
    with measure("GET …/results"):
        assert api.call("GET", f"{path}/results").status == 200
    prefix = f"projects/{project.rsplit('/', 1)[1]}/sessions/{session}/1-1/"
    key = models.put(stack.client("s3"), stack.outputs["Bucket"], prefix, models.colours())
    _set(stack, project, session, ResultsKey=key)
    with measure("POST …/predict"):
        assert api.send_files(f"{path}/predict", files[:1], "image").status == 200
    ids = [each["imageId"] for each in api.call("GET", f"{project}/data/images?label=1").json["items"]]
    with measure("POST …/data/images/delete, by ids"):
        deleted = api.call("POST", f"{project}/data/images/delete", {"imageIds": ids}).json["deleted"]
    assert deleted == len(ids) > 0
    with measure("POST …/data/images/delete, by filter"):
        wanted = {"filter": {"status": "accepted"}}
        deleted += api.call("POST", f"{project}/data/images/delete", wanted).json["deleted"]
    assert deleted == IMAGES + 1
    return found


def test_documented_counts_are_the_measured_ones(measured: dict[str, tuple[int, int, int]]) -> None:
    """The table in docs/architecture.md is what botocore sends, request by request."""
    assert documented() == measured


def test_status_is_one_round_trip(measured: dict[str, tuple[int, int, int]]) -> None:
    """User, project and session come in one BatchGetItem; the token needs no call."""
    assert measured["GET …/status"] == (1, 0, 0)


def test_results_are_one_round_trip_and_one_object(measured: dict[str, tuple[int, int, int]]) -> None:
    """The URLs are signed without a call."""
    assert measured["GET …/results"] == (1, 1, 0)


def test_labels_cost_a_write_for_each_twentyfive(measured: dict[str, tuple[int, int, int]]) -> None:
    """Admission, one page of images, and ceil(60 / 25) writes."""
    assert measured["POST …/data/labels"] == (1 + 1 + 3, 0, 0)


def test_start_does_not_grow_with_images(measured: dict[str, tuple[int, int, int]], nobody: Api) -> None:
    """With 8 labelled images a start takes exactly the calls that it takes with 60."""
    api = nobody.register()
    project = api.project()
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(8)])
    api.call("POST", f"{project}/data/labels", {"labels": {f"{n}.png": str(n % 2) for n in range(8)}})
    api.call("PUT", f"{project}/training/configure", {"epochs": 1})
    with counted() as calls:
        assert api.call("POST", f"{project}/training/start").status == 202
    assert (calls["dynamodb"], calls["s3"], calls["batch"]) == measured["POST …/training/start"]
