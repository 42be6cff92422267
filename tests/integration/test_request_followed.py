"""One request, from the API's line in the log to the last line of the container that it started."""

import json
import logging
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib import bootstrap
from infra.local.aws import EmbeddedAws
from infra.local.stack import compute, machine_environment
from tests.images import image
from tests.integration.conftest import Api


class Lines:
    """What the functions log, as CloudWatch gets it."""

    def __init__(self) -> None:
        self.text = StringIO()

    def taken(self) -> list[dict[str, Any]]:
        """The lines since the last time."""
        lines = [json.loads(each) for each in self.text.getvalue().splitlines()]
        self.text.seek(0)
        self.text.truncate()
        return lines


@pytest.fixture
def lines() -> Iterator[Lines]:
    found = Lines()
    handler = logging.StreamHandler(found.text)
    handler.setFormatter(bootstrap.log().registered_formatter)
    logger = logging.getLogger("darkroom")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.fixture
def project(api: Api) -> str:
    """The path of a project that can be trained on, with weights that no container here has."""
    path = api.project()
    api.send_files(f"{path}/data/images", [(f"{n}.png", image(n)) for n in range(4)])
    api.call("POST", f"{path}/data/labels", {"labels": {f"{n}.png": "ab"[n % 2] for n in range(4)}})
    api.call("PUT", f"{path}/training/configure", {"architecture": "resnet18", "pretrained": True})
    return path


def _ended(stack: EmbeddedAws, session_id: str) -> dict[str, Any]:
    """The job of a session, once it is over."""
    batch = stack.client("batch")
    deadline = time.monotonic() + 120
    while True:
        filters = [{"name": "JOB_NAME", "values": [session_id]}]
        [job] = batch.list_jobs(jobQueue=stack.outputs["JobQueue"], filters=filters)["jobSummaryList"]
        if job["status"] in ("SUCCEEDED", "FAILED"):
            [described] = batch.describe_jobs(jobs=[job["jobId"]])["jobs"]
            return dict(described)
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_request_is_followed_into_its_container(
    api: Api, project: str, lines: Lines, stack: EmbeddedAws, tmp_path: Path
) -> None:
    """Every line names the request, the project and the session; the container's its job and attempt too."""
    lines.taken()
    outside = {**machine_environment(), "TORCH_HOME": str(tmp_path / "no weights")}
    with compute(stack, outside, tmp_path):
        answer = api.call("POST", f"{project}/training/start")
        session_id = answer.json["sessionId"]
        job = _ended(stack, session_id)
    ids = {
        "requestId": answer.headers["X-Request-Id"],
        "projectId": project.rsplit("/", 1)[1],
        "sessionId": session_id,
    }
    [of_the_api] = lines.taken()
    assert ids.items() <= of_the_api.items()
    assert of_the_api["message"] == "POST /api/projects/{projectId}/training/start 202"
    assert of_the_api["userId"]
    assert of_the_api["functionRequestId"] != ids["requestId"]
    own = ids | {"jobId": job["jobId"], "attempt": "1"}
    written = [json.loads(each) for each in (tmp_path / f"{session_id}-1.log").read_text().splitlines()]
    assert written
    assert all(own.items() <= each.items() for each in written)
    assert all(each.keys() >= {"time", "level", "message"} for each in written)
    assert "weights-missing" in written[-1]["message"]

    record = {"messageId": "a message", "body": json.dumps({"detail": _unreadable(job)})}
    app.handler_map["job_state"]({"Records": [record]}, None)
    [of_the_handler] = lines.taken()
    assert (ids | {"jobId": job["jobId"], "messageId": "a message"}).items() <= of_the_handler.items()


def _unreadable(job: dict[str, Any]) -> dict[str, Any]:
    """The event of a job whose generation is no number."""
    environment = [
        {**each, "value": "none"} if each["name"] == "GENERATION" else each
        for each in job["container"]["environment"]
    ]
    detail = {**job, "container": {**job["container"], "environment": environment}}
    return dict(json.loads(json.dumps(detail, default=str)))


def test_a_refused_request_has_its_line(nobody: Api, lines: Lines) -> None:
    """A line of a request that nobody was admitted with names it, and no id that was only written."""
    answer = nobody.call("GET", "/api/projects/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    [line] = lines.taken()
    assert line["requestId"] == answer.json["requestId"]
    assert "projectId" not in line


def test_lines_of_one_request_know_nothing_of_the_next(api: Api, lines: Lines) -> None:
    """What a line names ends with its request."""
    api.call("GET", api.project())
    api.call("GET", "/api/users/me")
    *_, line = lines.taken()
    assert "projectId" not in line
    assert line["userId"]


def test_a_bad_message_is_named(environment: None, lines: Lines) -> None:
    """A message that can't be read has a line with its id, and how often it came."""
    record = {"messageId": "m", "body": "no JSON", "attributes": {"ApproximateReceiveCount": "2"}}
    for handler in ("job_state", "ingest"):
        app.handler_map[handler]({"Records": [record]}, None)
        [line] = lines.taken()
        assert (line["messageId"], line["receives"]) == ("m", 2)
