"""What the containers of a job wrote, by the fake and by AWS Batch and CloudWatch Logs."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from chalicelib.bootstrap import Ports
from chalicelib.services.log_ports import JobStreams, LogEvent
from infra.local.aws import REGION, EmbeddedAws
from infra.local.batch import Runner
from tests.support import new_id

#: CloudWatch takes nothing that is weeks old.
AT = int(1000 * time.time()) - 60_000
_NUMBERS = count()
#: Two attempts: the first ends in a way that is tried again.
TWICE = "import os, sys; sys.exit(75 if os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1' else 0)"
Leave = Callable[[Sequence[LogEvent]], str]


@pytest.fixture
def leave(ports: Ports, request: pytest.FixtureRequest) -> Leave:
    """Leaves a stream with these lines, and returns its name."""

    def left(events: Sequence[LogEvent]) -> str:
        name = f"training/default/{next(_NUMBERS):032}"
        if hasattr(ports.job_logs, "written"):
            ports.job_logs.written[name] = events
            return name
        stack: EmbeddedAws = request.getfixturevalue("stack")
        logs = stack.client("logs")
        place = {"logGroupName": stack.outputs["TrainingLogs"], "logStreamName": name}
        logs.create_log_stream(**place)
        lines = [{"timestamp": each.at, "message": each.text} for each in events]
        if lines:
            logs.put_log_events(**place, logEvents=lines)
        return name

    return left


@dataclass
class Jobs:
    """Jobs that wait, that have run, and that were never there."""

    ports: Ports
    stack: EmbeddedAws | None

    def waits(self) -> str:
        if self.stack is None:
            return self._fake(JobStreams([], is_over=False))
        return self._submit("")

    def runs_twice(self) -> str:
        if self.stack is None:
            return self._fake(JobStreams(["one", "two"], is_over=True))
        return self._submit(TWICE)

    def _fake(self, streams: JobStreams) -> str:
        self.ports.job_logs.jobs["job"] = streams
        return "job"

    def _submit(self, code: str) -> str:
        assert self.stack
        answer = self.stack.client("batch").submit_job(
            jobName=new_id(),
            jobQueue=self.stack.outputs["JobQueue"],
            jobDefinition=self.stack.outputs["JobDefinition"],
            containerOverrides={"command": ["python", "-c", code]},
        )
        return str(answer["jobId"])


@pytest.fixture
def jobs(ports: Ports, request: pytest.FixtureRequest) -> Jobs:
    is_fake = hasattr(ports.job_logs, "jobs")
    return Jobs(ports, None if is_fake else request.getfixturevalue("stack"))


@pytest.fixture
def runner(jobs: Jobs, tmp_path: Path) -> Iterator[None]:
    """Runs the jobs that are submitted within the test."""
    if jobs.stack is None:
        yield
        return
    runner = Runner(dict(os.environ) | jobs.stack.credentials, tmp_path)
    runner.attach(jobs.stack.outputs["JobQueue"], REGION)
    try:
        yield
    finally:
        runner.close()  # jobs that are submitted later wait, as without it


def _read(ports: Ports, stream: str, since: int = 0, limit: int = 100):
    found = ports.job_logs.read(stream, since, limit)
    assert found is not None
    return [(each.at, each.text) for each in found.events], found.is_end


def test_lines_come_in_their_order_from_a_time_on(ports: Ports, leave: Leave) -> None:
    """What is younger or of that very millisecond, the first of it where there is more than is asked for."""
    lines = [(AT, "a"), (AT + 1, "b"), (AT + 1, "c"), (AT + 2, '{"d": 1}')]
    stream = leave([LogEvent(*each) for each in lines])
    assert _read(ports, stream) == (lines, True)
    assert _read(ports, stream, AT + 1) == (lines[1:], True)
    assert _read(ports, stream, AT + 1, 2) == (lines[1:3], False)
    assert _read(ports, stream, AT + 3) == ([], True)


def test_every_line_of_many_comes_once(ports: Ports, leave: Leave) -> None:
    """Read by the hundred, each part from the last one's time on."""
    lines = [(AT + number, str(number)) for number in range(1050)]
    stream = leave([LogEvent(*each) for each in lines])
    found, since, is_end = [], 0, False
    while not is_end:
        part, is_end = _read(ports, stream, since)
        found += part
        since = found[-1][0] + 1
    assert found == lines


def test_a_stream_that_is_empty_and_one_that_is_none(ports: Ports, leave: Leave) -> None:
    """Nothing was written yet, or nobody wrote: told apart."""
    assert _read(ports, leave([])) == ([], True)
    assert ports.job_logs.read("training/default/none", 0, 10) is None


def test_a_job_that_nobody_knows_has_no_streams(ports: Ports) -> None:
    """AWS Batch forgets jobs; that is no error."""
    assert ports.job_logs.streams(f"{new_id()}") is None


def test_a_job_that_waits_has_no_streams_yet(ports: Ports, jobs: Jobs) -> None:
    """It is known, and not over."""
    assert ports.job_logs.streams(jobs.waits()) == JobStreams([], is_over=False)


def test_each_attempt_has_its_stream(ports: Ports, jobs: Jobs, runner: None) -> None:
    """In the order of the attempts, and of each other name."""

    job_id, deadline = jobs.runs_twice(), time.monotonic() + 30
    while not (found := ports.job_logs.streams(job_id)) or not found.is_over:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(set(found.attempts)) == 2
    assert None not in found.attempts
