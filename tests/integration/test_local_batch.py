"""The Batch runner: real processes with the states, reasons, retries and events of AWS Batch."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local import awslogs
from infra.local.aws import REGION, EmbeddedAws, embedded_aws
from infra.local.batch import ROOT, Runner
from infra.local.jobs import Outcome, retries

SLEEP = "import time; time.sleep(60)"
WITH_CHILD = (
    "import os, subprocess, time; child = subprocess.Popen(['sleep', '60']);"
    "print(os.getpid(), child.pid, flush=True); time.sleep(60)"
)


@dataclass(frozen=True)
class Compute:
    """The embedded AWS with a runner, and what the tests ask of it again and again."""

    aws: EmbeddedAws
    runner: Runner
    logs: Path

    def submit(self, code: str, name: str = "job", **more: Any) -> str:
        overrides = {"command": ["python", "-c", code], **more.pop("overrides", {})}
        submitted = self.aws.client("batch").submit_job(
            jobName=name,
            jobQueue=self.aws.outputs["JobQueue"],
            jobDefinition=self.aws.outputs["JobDefinition"],
            containerOverrides=overrides,
            **more,
        )
        return submitted["jobId"]

    def job(self, job_id: str) -> dict[str, Any]:
        [job] = self.aws.client("batch").describe_jobs(jobs=[job_id])["jobs"]
        return job

    def wait(self, job_id: str, *states: str) -> dict[str, Any]:
        _until(lambda: self.job(job_id)["status"] in (states or ("SUCCEEDED", "FAILED")))
        return self.job(job_id)

    def output(self, name: str) -> str:
        return (self.logs / f"{name}-1.log").read_text()

    def logged(self, stream: str) -> list[str]:
        """What CloudWatch Logs has in a stream of the training's group, in its order."""
        place = {"logGroupName": self.aws.outputs["TrainingLogs"], "logStreamName": stream}
        answer = self.aws.client("logs").get_log_events(**place, startFromHead=True)
        return [each["message"] for each in answer["events"]]

    def events(self, job_id: str) -> list[str]:
        """The states of a job in the order in which they came to the queue."""
        url, sqs = self.aws.outputs["JobStateQueueUrl"], self.aws.client("sqs")
        states = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            details = [json.loads(message["Body"])["detail"] for message in messages]
            states += [detail["status"] for detail in details if detail["jobId"] == job_id]
        return states


def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends while it is read
        return False


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compute]:
    logs = tmp_path_factory.mktemp("logs")
    with embedded_aws("darkroom-batch") as aws:
        runner = Runner(dict(os.environ) | aws.credentials, logs, grace_seconds=0.5)
        runner.attach(aws.outputs["JobQueue"], REGION)
        yield Compute(aws, runner, logs)
        runner.close()


def test_a_job_runs_to_its_end_and_says_so(compute):
    """A job passes through Batch's states in order, each one sent to the queue, and succeeds."""
    job_id = compute.submit("print('hello')", "success")
    job = compute.wait(job_id)
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("SUCCEEDED", 0, 1)
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert compute.events(job_id) == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert compute.output("success") == "hello\n"


def test_a_container_has_the_environment_of_its_job(compute):
    """A container sees the definition's variables, its own, Batch's, and where the embedded AWS is."""
    own = {"environment": [{"name": "SESSION_ID", "value": "S"}]}
    code = "import os, json, training_job; print(json.dumps(dict(os.environ)))"
    job_id = compute.submit(code, "environment", overrides=own)
    assert compute.wait(job_id)["status"] == "SUCCEEDED", compute.output("environment")
    seen = json.loads(compute.output("environment"))
    assert (seen["SESSION_ID"], seen["TABLE_PREFIX"]) == ("S", compute.aws.outputs["TablePrefix"])
    assert (seen["AWS_BATCH_JOB_ID"], seen["AWS_BATCH_JOB_ATTEMPT"]) == (job_id, "1")
    assert seen["AWS_ENDPOINT_URL"] == compute.aws.endpoint_url


def test_output_is_in_cloudwatch_while_a_job_runs(compute):
    """From RUNNING on the job names its stream, as AWS does; lines are there soon after they were written.

    Those of a process that was killed as well, the last of them not ended; the file has the same.
    """
    code = "import time; print('one', flush=True); print('two\\n\\nhalf', end='', flush=True); time.sleep(60)"
    job_id = compute.submit(code, "logged")
    stream = compute.wait(job_id, "RUNNING")["container"]["logStreamName"]
    assert re.fullmatch("training/default/[0-9a-f]{32}", stream)
    _until(lambda: compute.logged(stream) == ["one", "two"])
    compute.runner.kill(job_id)
    [attempt] = compute.wait(job_id)["attempts"]
    assert attempt["container"]["logStreamName"] == stream
    assert compute.logged(stream) == ["one", "two", "half"]
    assert compute.output("logged") == "one\ntwo\n\nhalf"
    assert not [each for each in threading.enumerate() if each.name == "awslogs"]


def test_each_attempt_has_a_stream_of_its_own(compute):
    """In the order of the attempts, each with its own lines."""
    code = "import os; n = os.environ['AWS_BATCH_JOB_ATTEMPT']; print(n); exit(75 if n == '1' else 0)"
    attempts = compute.wait(compute.submit(code))["attempts"]
    streams = [each["container"]["logStreamName"] for each in attempts]
    assert [compute.logged(each) for each in streams] == [["1"], ["2"]]


def test_a_flood_of_lines_is_kept_in_bounds(compute, monkeypatch):
    """The newest lines and streams stay in memory; what was written is in the file."""
    monkeypatch.setattr(awslogs, "MAX_LINES", 1000)
    monkeypatch.setattr(awslogs, "MAX_STREAMS", 2)
    jobs = [compute.wait(compute.submit("for n in range(3000): print(n)", "flood")) for _ in range(3)]
    streams = [job["container"]["logStreamName"] for job in jobs]
    found = compute.aws.client("logs").describe_log_streams(logGroupName=compute.aws.outputs["TrainingLogs"])
    assert {each["logStreamName"] for each in found["logStreams"]} == set(streams[1:])
    assert compute.logged(streams[2]) == [str(number) for number in range(2000, 3000)]
    assert compute.output("flood").count("\n") == 3000


def test_a_failure_is_final(compute):
    """An exit code of its own ends a job FAILED after one attempt, as the template's last rule says."""
    job = compute.wait(compute.submit("raise SystemExit(3)"))
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("FAILED", 3, 1)
    assert job["statusReason"] == "Essential container in task exited"


def test_a_killed_process_is_seen(compute):
    """A job whose process is killed by SIGKILL fails with exit code 137 and a reason."""
    job_id = compute.submit(SLEEP)
    compute.wait(job_id, "RUNNING")
    compute.runner.kill(job_id)
    job = compute.wait(job_id)
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)
    assert job["statusReason"] == "Essential container in task exited"


def test_a_command_that_kills_itself_is_seen(compute):
    """The command's own death by a signal is told as 128 + the signal, as by a container runtime."""
    job = compute.wait(compute.submit("import os; os.kill(os.getpid(), 9)"))
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)


def test_a_reclaimed_instance_means_another_attempt(compute):
    """After a Spot reclaim the job runs again with the next attempt number, and can succeed."""
    code = f"import os\nif os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1': {SLEEP}"
    job_id = compute.submit(code)
    compute.wait(job_id, "RUNNING")
    compute.runner.reclaim(job_id)
    job = compute.wait(job_id)
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)
    assert job["attempts"][0]["statusReason"].startswith("Host EC2")
    assert compute.events(job_id)[4:] == ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]


def test_a_job_that_takes_too_long_is_ended(compute):
    """After attemptDurationSeconds a job is ended, FAILED and not retried."""
    job = compute.wait(compute.submit(SLEEP, timeout={"attemptDurationSeconds": 1}))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(job["attempts"]) == 1


def test_a_running_job_can_end_itself_when_terminated(compute):
    """TerminateJob sends SIGTERM first; the job has time to tidy up, and is FAILED with the reason."""
    code = (
        "import signal, sys, time\n"
        "def tidy(*_): print('tidy', flush=True); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, tidy); print('ready', flush=True); {SLEEP}"
    )
    job_id = compute.submit(code, "tidy")
    compute.wait(job_id, "RUNNING")
    _until(lambda: "ready" in compute.output("tidy"))
    compute.aws.client("batch").terminate_job(jobId=job_id, reason="stopped by its owner")
    job = compute.wait(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "stopped by its owner")
    assert compute.output("tidy") == "ready\ntidy\n"


def test_a_job_that_will_not_end_is_killed_with_its_children(compute):
    """After the grace SIGKILL ends a job that ignores SIGTERM, and all that it started."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WITH_CHILD
    job_id = compute.submit(code, "stubborn")
    compute.wait(job_id, "RUNNING")
    _until(lambda: compute.output("stubborn").endswith("\n"))
    compute.aws.client("batch").terminate_job(jobId=job_id, reason="enough")
    assert compute.wait(job_id)["container"]["exitCode"] == 137
    _until(lambda: not any(_runs(int(pid)) for pid in compute.output("stubborn").split()))


@pytest.mark.parametrize("call", ["terminate_job", "cancel_job"])
def test_a_queued_job_is_ended_without_an_attempt(compute, call):
    """A job that waits behind another one fails with the reason at once and never starts."""
    first, second = compute.submit(SLEEP), compute.submit("print()")
    compute.wait(first, "RUNNING")
    getattr(compute.aws.client("batch"), call)(jobId=second, reason="changed my mind")
    job = compute.wait(second)
    compute.runner.kill(first)
    compute.wait(first)
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "changed my mind", [])
    assert compute.events(second) == ["SUBMITTED", "RUNNABLE", "FAILED"]


def test_a_running_job_is_not_cancelled(compute):
    """CancelJob of a running job changes nothing."""
    job_id = compute.submit(SLEEP)
    compute.wait(job_id, "RUNNING")
    compute.aws.client("batch").cancel_job(jobId=job_id, reason="late")
    assert compute.job(job_id)["status"] == "RUNNING"
    compute.runner.kill(job_id)
    assert compute.wait(job_id)["statusReason"] == "Essential container in task exited"


def test_jobs_are_found_by_name(compute):
    """ListJobs finds the jobs of one name, as the sweep does when SubmitJob's answer was lost."""
    ids = {compute.submit("", "wanted"), compute.submit("", "wanted")}
    compute.submit("", "other")
    found = compute.aws.client("batch").list_jobs(
        jobQueue=compute.aws.outputs["JobQueue"], filters=[{"name": "JOB_NAME", "values": ["wanted"]}]
    )
    assert {job["jobId"] for job in found["jobSummaryList"]} == ids
    for job_id in ids:
        compute.wait(job_id)


def test_a_job_without_capacity_waits(stack):
    """Where nothing runs the queue's jobs they stay RUNNABLE, and can be ended."""
    batch = stack.client("batch")
    names = {"jobQueue": stack.outputs["JobQueue"], "jobDefinition": stack.outputs["JobDefinition"]}
    job_id = batch.submit_job(jobName="waits", **names)["jobId"]
    assert batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] == "RUNNABLE"
    batch.terminate_job(jobId=job_id, reason="no capacity")
    assert batch.describe_jobs(jobs=[job_id])["jobs"][0]["statusReason"] == "no capacity"


def test_closing_the_runner_leaves_no_process(tmp_path):
    """When the runner is closed, running jobs and their children are gone, and queued ones never start."""
    with embedded_aws("darkroom-closing") as aws:
        compute = Compute(aws, Runner(os.environ, tmp_path), tmp_path)
        compute.runner.attach(aws.outputs["JobQueue"], REGION)
        compute.wait(compute.submit(WITH_CHILD, "running"), "RUNNING")
        compute.submit("print()", "queued")
        _until(lambda: compute.output("running").endswith("\n"))
        compute.runner.close()
    _until(lambda: not any(_runs(int(pid)) for pid in compute.output("running").split()))
    assert not (tmp_path / "queued-1.log").exists()


def test_a_container_dies_with_its_stack(tmp_path):
    """SIGKILL to the process that started a container ends the container's whole tree."""
    code = (
        "import os, sys, time; from pathlib import Path; from infra.local.container import Container;"
        f"Container([sys.executable, '-c', sys.argv[1]], os.environ, Path('.'), Path('log'), 1); {SLEEP}"
    )
    stack = subprocess.Popen(
        [sys.executable, "-c", code, WITH_CHILD], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    log = tmp_path / "log"
    _until(lambda: log.exists() and log.read_text().endswith("\n"))
    pids = [int(pid) for pid in log.read_text().split()]
    assert all(map(_runs, pids))
    stack.send_signal(signal.SIGKILL)
    stack.wait()
    _until(lambda: not any(map(_runs, pids)))


RULES = {
    "attempts": 3,
    "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onExitCode": "7*", "onReason": "net*", "action": "retry"},
        {"onExitCode": "9", "action": "EXIT"},
    ],
}


@pytest.mark.parametrize(
    ("attempt", "outcome", "expected"),
    [
        (1, Outcome(exit_code=0), False),
        (1, Outcome(exit_code=1, status_reason="Host EC2 (i-1) terminated."), True),
        (3, Outcome(exit_code=1, status_reason="Host EC2 (i-1) terminated."), False),
        (1, Outcome(exit_code=9), False),
        (1, Outcome(exit_code=90), True),
        (1, Outcome(exit_code=71, reason="network"), True),
        (1, Outcome(exit_code=1, status_reason="Job attempt duration exceeded timeout"), False),
    ],
)
def test_retry_rules(attempt, outcome, expected):
    """The first rule that matches wholly decides; what none matches is retried while attempts last."""
    assert retries(RULES, attempt, outcome) is expected
