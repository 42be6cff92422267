"""Jobs of several machines: how they are submitted, found, and read."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.batch import BatchGateway, Queue, is_node, job_seen, variables_of
from chalicelib.events import jobs as events
from tests.support import make_session

ENVIRONMENT = [{"name": "PROJECT_ID", "value": "p"}, {"name": "SESSION_ID", "value": "s"}]
#: As DescribeJobs shows a job of several machines: no container of its own.
PARENT = {
    "jobId": "job-1",
    "jobName": "s",
    "status": "FAILED",
    "statusReason": "Essential container in task exited",
    "attempts": [{"container": {"exitCode": 1}}, {"container": {"exitCode": 75}}],
    "nodeProperties": {
        "numNodes": 2,
        "mainNode": 0,
        "nodeRangeProperties": [{"targetNodes": "0:", "container": {"environment": ENVIRONMENT}}],
    },
}
NODE = {
    "jobId": "job-1#1",
    "jobName": "s",
    "status": "FAILED",
    "container": {"exitCode": 137, "environment": ENVIRONMENT},
}


@pytest.fixture
def batch():
    """A client that sends nothing, and checks each call against the service's own model."""
    client = boto3.Session("key", "secret", region_name="us-east-1").client("batch")
    with Stubber(client) as stubber:
        yield SimpleNamespace(batch=client, stubber=stubber)


@pytest.fixture
def gateway(batch) -> BatchGateway:
    return BatchGateway(batch, "one", "one:1", Queue(batch, "several", "several:1"), 4)


def _expected(session, queue: str, **overrides) -> dict:
    timeout = {"attemptDurationSeconds": 60}
    name = {"jobName": session.session_id, "jobQueue": queue, "jobDefinition": f"{queue}:1"}
    return {**name, "timeout": timeout, **overrides}


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_run_goes_to_the_queue_for_its_machines(batch, gateway, nodes):
    """One machine is the plain queue; more are a multi-node job of so many, each with the same variables."""
    session = make_session(config={"nodes": nodes})
    variables = {"PROJECT_ID": session.project_id, "SESSION_ID": session.session_id, "GENERATION": "1"}
    container = {"environment": [{"name": name, "value": value} for name, value in variables.items()]}
    several = {
        "numNodes": 3,
        "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": container}],
    }
    expected = (
        _expected(session, "one", containerOverrides=container)
        if nodes == 1
        else _expected(session, "several", nodeOverrides=several)
    )
    batch.stubber.add_response("submit_job", {"jobName": "s", "jobId": "job-1"}, expected)
    assert gateway.submit(session, 60) == "job-1"


def test_a_lost_job_is_looked_for_in_both_queues(batch, gateway):
    """The sweep, which knows the session's name alone, finds a job in either queue."""
    for queue, found in (("one", []), ("several", [{"jobId": "j", "jobName": "s", "status": "RUNNABLE"}])):
        batch.stubber.add_response(
            "list_jobs",
            {"jobSummaryList": found},
            {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": ["s"]}]},
        )
    assert [each.batch_job_id for each in gateway.find("s")] == ["j"]


def test_a_job_of_several_machines_is_read_by_its_main_one():
    """Variables come from the main machine's range, and the exit code from its last attempt."""
    assert variables_of(PARENT)["PROJECT_ID"] == "p"
    assert job_seen(PARENT).exit_code == 75
    assert [is_node(each) for each in (PARENT, NODE)] == [False, True]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"startedAt": 5_000}, 5),
        ({"startedAt": 5_000, "attempts": [{"startedAt": 5_000, "stoppedAt": 60_000}]}, 60),
        ({"startedAt": 70_000, "attempts": [{"startedAt": 5_000, "stoppedAt": 60_000}]}, 70),
        ({"startedAt": 5_000, "attempts": [{"stoppedAt": 60_000}, {"startedAt": 65_000}]}, 65),
        ({"attempts": []}, None),
        ({}, None),
    ],
    ids=["first", "stale", "renewed", "two", "waiting", "new"],
)
def test_an_attempt_began_no_earlier_than_the_last_one_ended(times, seconds):
    """A retry whose job shows when its first attempt began isn't taken for one that is silent since."""
    seen = job_seen({"jobId": "j", "status": "RUNNING", **times})
    assert seen.started_at == (seconds and datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(("detail", "followed"), [(PARENT, [("p", "s", "job-1")]), (NODE, [])])
def test_events_of_single_machines_are_passed_over(monkeypatch, detail, followed):
    """A session follows the events of its job, and not those of one machine, whose end isn't the job's."""
    seen = []
    oversight = SimpleNamespace(
        job_changed=lambda project, name, _, job: seen.append((project, name, job.batch_job_id))
    )
    monkeypatch.setattr(events, "services", lambda: SimpleNamespace(oversight=oversight))
    record = {"messageId": "m", "body": json.dumps({"detail": detail})}
    assert events.job_state({"Records": [record]}, None) == {"batchItemFailures": []}
    assert seen == followed
