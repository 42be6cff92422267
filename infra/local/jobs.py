"""AWS Batch jobs as moto keeps them, with the states, reasons and events that AWS gives them.

Importing this module makes every job that moto submits a `Job` of here. A job runs only where its
queue has a `runner`; without one it stays RUNNABLE, as with no capacity.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.batch import models
from moto.events.models import events_backends

from .container import Container

OVER = ("SUCCEEDED", "FAILED")
TASK_EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
RECLAIMED = "Host EC2 (instance i-0123456789abcdef0) terminated."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended: what a retry rule looks at."""

    exit_code: int
    status_reason: str = TASK_EXITED
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0 and self.status_reason == TASK_EXITED


def retries(strategy: Mapping[str, Any], attempt: int, outcome: Outcome) -> bool:
    """Whether Batch runs another attempt after number `attempt` (from 1).

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """
    if outcome.succeeded or outcome.status_reason == TIMED_OUT or attempt >= int(strategy.get("attempts", 1)):
        return False
    seen = {
        "onExitCode": str(outcome.exit_code),
        "onReason": outcome.reason,
        "onStatusReason": outcome.status_reason,
    }
    for rule in strategy.get("evaluateOnExit", []):
        if all(_matches(rule[name], value) for name, value in seen.items() if name in rule):
            return bool(rule["action"].lower() == "retry")
    return True  # what no rule matches is retried


def _matches(pattern: str, value: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


class Job(models.Job):
    """One job. Every change of state happens under its lock, and is sent to the event bus."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state = ""
        self._lock = threading.RLock()
        self._container: Container | None = None
        self._forced_reason: str | None = None
        self._times = {"createdAt": _milliseconds()}
        self.status_reason: str | None = None

    @property  # type: ignore[misc]
    def status(self) -> str:
        """Moved here only: moto's own would move by being looked at."""
        return self._state

    def start(self) -> None:
        """Called by moto when the job is submitted."""
        self._move("SUBMITTED")
        self._move("RUNNABLE")
        if runner := getattr(self.job_queue, "runner", None):
            runner.enqueue(self)

    def claim(self) -> int | None:
        """The number of the attempt that begins now; None if the job was ended while it waited."""
        with self._lock:
            if self._state != "RUNNABLE":
                return None
            self._move("STARTING")
            return len(self.attempts) + 1

    def running(self, container: Container, log_stream_name: str | None) -> None:
        with self._lock:
            self._container, self.log_stream_name = container, log_stream_name
            self._times["startedAt"] = _milliseconds()
            self._move("RUNNING")
            if self._forced_reason:
                container.stop()  # it was ended while it started

    def ended(self, outcome: Outcome) -> bool:
        """Notes an attempt's end; true if another one follows."""
        with self._lock:
            outcome = Outcome(
                exit_code=outcome.exit_code, status_reason=self._forced_reason or outcome.status_reason
            )
            self._container, self._forced_reason = None, None
            self.exit_code = outcome.exit_code
            self.attempts.append(self._attempt(outcome))
            strategy = self.job_definition.retry_strategy
            if not self.stop and retries(strategy, len(self.attempts), outcome):
                self._move("RUNNABLE")
                return True
            succeeded = outcome.succeeded and not self.stop
            self._finish(
                "SUCCEEDED" if succeeded else "FAILED", self.job_stopped_reason or outcome.status_reason
            )
            return False

    def terminate(self, reason: str) -> None:
        """As TerminateJob, and as CancelJob of a job that has not started."""
        self.interrupt(reason, by_user=True)

    def interrupt(self, reason: str, *, by_user: bool = False) -> None:
        """Ends the attempt, by SIGTERM and after the grace SIGKILL, with `reason` as its status reason."""
        with self._lock:
            if self._state in OVER or self.stop or (self._state == "RUNNABLE" and not by_user):
                return
            if by_user:
                self.stop, self.job_stopped_reason = True, reason
            if self._state == "RUNNABLE":
                self._finish("FAILED", reason)
                return
            self._forced_reason = reason
            if self._container:
                self._container.stop()

    def signal(self, number: int) -> None:
        """Sends a signal to the attempt's processes, as somebody on the host might."""
        with self._lock:
            if self._container:
                self._container.signal(number)

    def container_environment(self) -> dict[str, str]:
        """The variables of the job, and those that Batch adds."""
        return self._variables() | {
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(self.attempts) + 1),
            "AWS_BATCH_JQ_NAME": self.job_queue.name,
        }

    def command(self) -> list[str]:
        return list(self._get_container_property("command", []))

    def log_options(self) -> Mapping[str, str]:
        """Where its containers' output goes, as the definition's log configuration says."""
        properties: Mapping[str, Any] = self.job_definition.container_properties or {}
        options: Mapping[str, str] = properties.get("logConfiguration", {}).get("options", {})
        return options

    def timeout_seconds(self) -> int | None:
        return self._get_attempt_duration()

    def describe_short(self) -> dict[str, Any]:
        """As ListJobs shows a job."""
        result = {
            "jobArn": self.arn, "jobId": self.job_id, "jobName": self.job_name, "status": self._state,
            "jobDefinition": self.job_definition.arn, **self._times,
        }  # fmt: skip
        if self.status_reason:
            result["statusReason"] = self.status_reason
        if self.exit_code is not None:
            result["container"] = {"exitCode": self.exit_code}
        return result

    def describe(self) -> dict[str, Any]:
        """As DescribeJobs shows a job, and as its events carry it."""
        container = (self.job_definition.container_properties or {}) | self.container_overrides
        environment = [{"name": key, "value": value} for key, value in self._variables().items()]
        if self.log_stream_name is not None:
            container |= {"logStreamName": self.log_stream_name}
        if self.exit_code is not None:
            container |= {"exitCode": self.exit_code}
        return self.describe_short() | {
            "jobQueue": self.job_queue.arn,
            "attempts": self.attempts,
            "container": container | {"environment": environment},
            "dependsOn": [],
            "isCancelled": False,
            "isTerminated": self.stop,
            "parameters": self.parameters,
            "retryStrategy": self.job_definition.retry_strategy,
            "tags": self.backend.list_tags_for_resource(self.arn),
            "timeout": {"attemptDurationSeconds": self.timeout_seconds()},
        }

    def _variables(self) -> dict[str, str]:
        """The job definition's variables, then the job's own."""
        defined = (self.job_definition.container_properties or {}).get("environment", [])
        own = self.container_overrides.get("environment", [])
        return {each["name"]: str(each["value"]) for each in (*defined, *own)}

    def _attempt(self, outcome: Outcome) -> dict[str, Any]:
        container: dict[str, Any] = {"exitCode": outcome.exit_code}
        if self.log_stream_name is not None:
            container |= {"logStreamName": self.log_stream_name}
        times = {"startedAt": self._times["startedAt"], "stoppedAt": _milliseconds()}
        return {"container": container, "statusReason": outcome.status_reason, **times}

    def _finish(self, state: str, reason: str) -> None:
        self._times["stoppedAt"] = _milliseconds()
        self.job_stopped = True
        self._move(state, reason)

    def _move(self, state: str, reason: str | None = None) -> None:
        with self._lock:
            self._state, self.status_reason = state, reason
            event = {
                "Source": "aws.batch",
                "DetailType": "Batch Job State Change",
                "Resources": [self.arn],
                "Detail": json.dumps(self.describe()),
            }
            events_backends[self.backend.account_id][self.backend.region_name].put_events([event])


def _milliseconds() -> int:
    return int(time.time() * 1000)


models.Job = Job  # type: ignore[misc]
