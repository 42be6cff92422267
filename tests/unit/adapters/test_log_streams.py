"""The streams of jobs of several machines, and pages of CloudWatch as it may answer them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.job_logs import CloudWatchJobLogs
from chalicelib.contract.errors import UnavailableError
from chalicelib.services.log_ports import JobStreams, LogEvents

QUEUE = {"jobQueue": "q", "jobDefinition": "d", "jobName": "s", "startedAt": 1}
AT = 1_769_000_000_000


@pytest.fixture
def aws() -> Iterator[SimpleNamespace]:
    """Clients that send nothing, and check each call against their service's own model."""
    session = boto3.Session("key", "secret", region_name="us-east-1")
    batch, logs = session.client("batch"), session.client("logs")
    with Stubber(batch) as of_batch, Stubber(logs) as of_logs:
        yield SimpleNamespace(batch=batch, logs=logs, of_batch=of_batch, of_logs=of_logs)
        of_batch.assert_no_pending_responses()
        of_logs.assert_no_pending_responses()


def _describes(aws: SimpleNamespace, job_id: str, **detail: Any) -> None:
    job = {**QUEUE, "jobId": job_id, "status": "RUNNING", **detail}
    aws.of_batch.add_response("describe_jobs", {"jobs": [job]}, {"jobs": [job_id]})


def _ran(*names: str | None) -> list[dict[str, Any]]:
    return [{"container": {"logStreamName": name} if name else {}} for name in names]


def _streams(aws: SimpleNamespace) -> JobStreams | None:
    return CloudWatchJobLogs(aws, "group").streams("j")


@pytest.mark.parametrize(
    ("attempts", "present", "expected"),
    [
        ([], None, []),
        ([], "a", ["a"]),
        (["a"], "a", ["a"]),
        (["a"], "b", ["a", "b"]),
        (["a", None], "a", ["a", None]),
        (["a", None], "c", ["a", None, "c"]),
    ],
    ids=["waiting", "first", "between", "second", "never-began", "third"],
)
def test_attempts_of_a_job_in_their_order(aws, attempts, present, expected):
    """Those that ended, and the present one's, which Batch shows until the next has begun."""
    container = {"logStreamName": present} if present else {}
    _describes(aws, "j", attempts=_ran(*attempts), container=container)
    found = _streams(aws)
    assert found == JobStreams(expected, is_over=False)


def test_a_job_of_several_machines_is_read_by_its_main_one(aws):
    """The job itself has no container: that of node 0 has the streams; the job says whether it is over."""
    nodes = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": []}
    ended = {"status": "FAILED", "stoppedAt": 5000}
    _describes(aws, "j", nodeProperties=nodes, attempts=_ran("of the parent"), **ended)
    _describes(aws, "j#0", attempts=_ran("a"), container={"logStreamName": "b"})
    assert _streams(aws) == JobStreams(["a", "b"], True, datetime.fromtimestamp(5, UTC))


def test_where_the_main_machine_is_forgotten_the_job_knows(aws):
    """The job's own attempts name the main machine's streams too, once they have ended."""
    nodes = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": []}
    _describes(aws, "j", nodeProperties=nodes, attempts=_ran("of the parent"), status="SUCCEEDED")
    aws.of_batch.add_response("describe_jobs", {"jobs": []}, {"jobs": ["j#0"]})
    assert _streams(aws) == JobStreams(["of the parent"], is_over=True)


def _pages(aws: SimpleNamespace, *pages: tuple[list[str], str]) -> None:
    for texts, token in pages:
        events = [{"timestamp": AT, "message": each, "ingestionTime": AT} for each in texts]
        answer = {"events": events, "nextForwardToken": token, "nextBackwardToken": "b"}
        aws.of_logs.add_response("get_log_events", answer)


def _read(aws: SimpleNamespace, limit: int = 10, since: int = 0) -> tuple[list[str], bool]:
    found = CloudWatchJobLogs(aws, "group").read("stream", since, limit)
    assert isinstance(found, LogEvents)
    return [each.text for each in found.events], found.is_end


def test_empty_pages_are_not_the_end(aws):
    """The same token twice is, and not before; line ends are no part of a line."""
    _pages(aws, ([], "1"), (["a\n"], "2"), ([], "3"), (["b\r\n"], "4"), ([], "4"))
    assert _read(aws) == (["a", "b"], True)


def test_a_silence_hides_nothing_from_who_reads_on(aws):
    """A page may have the line alone that was seen, and what came hours later be two pages behind it."""
    _pages(aws, (["seen"], "1"), ([], "2"), (["new"], "3"), ([], "3"))
    assert _read(aws, since=AT) == (["seen", "new"], True)


def test_a_stream_whose_pages_stay_empty_has_come_to_its_end(aws):
    """Whatever its tokens say: whoever follows it would never be told."""
    _pages(aws, (["a"], "0"), *(([], str(number)) for number in range(1, 9)))
    assert _read(aws) == (["a"], True)


def test_a_stream_of_many_small_pages_is_read_in_parts(aws):
    """An answer doesn't wait for ever; the next request goes on behind what this one found."""
    _pages(aws, *(([str(number)], str(number)) for number in range(12)))
    assert _read(aws, 100) == ([str(number) for number in range(12)], False)


def test_a_full_page_says_nothing_of_the_end(aws):
    """As many lines as were asked for: no call more."""
    _pages(aws, (["a", "b"], "1"))
    assert _read(aws, 2) == (["a", "b"], False)


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailableException"])
def test_a_busy_cloudwatch_is_asked_again(aws, code):
    """By whoever asked: there are so many calls a second for a whole account."""
    status = 400 if code == "ThrottlingException" else 503
    aws.of_logs.add_client_error("get_log_events", code, http_status_code=status)
    with pytest.raises(UnavailableError):
        _read(aws)
