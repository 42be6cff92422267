"""SubmitJob has no token: its answer is lost, or its caller dies, and still no run has two jobs."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from app import app
from chalicelib import bootstrap
from infra.local.aws import EmbeddedAws
from tests.integration.conftest import Api
from tests.integration.reliability.stage import Stage, project_of
from tests.support import Crash

_HTTP = URLLib3Session()


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


def _answer(request: Any, status: int, body: dict[str, Any]) -> AWSResponse:
    return AWSResponse(request.url, status, {}, _Raw(json.dumps(body).encode()))


def _lost(request: Any) -> None:
    raise ReadTimeoutError(endpoint_url=request.url)


def _lost_after(request: Any) -> None:
    _HTTP.send(request)
    _lost(request)


def _failed_after(request: Any) -> AWSResponse:
    _HTTP.send(request)
    return _answer(request, 500, {"message": "InternalError"})


def _killed(request: Any) -> None:
    raise Crash


def _killed_after(request: Any) -> None:
    _HTTP.send(request)
    raise Crash


def _sent_twice(request: Any) -> None:
    _HTTP.send(request)
    _lost_after(request)


@dataclass(frozen=True)
class Fault:
    """What is done to a SubmitJob, and what becomes of its session.

    Attributes:
        is_listed: whether ListJobs knows the job at the first sweep: it is eventually consistent.
    """

    name: str
    do: Callable[[Any], Any]
    jobs: int
    status: str
    live_jobs: int
    is_listed: bool = True


FAULTS = (
    Fault("lost after", _lost_after, 1, "provisioning", 1),
    Fault("lost before", _lost, 0, "failed", 0),
    Fault("failed after", _failed_after, 1, "provisioning", 1),
    Fault("killed before", _killed, 0, "failed", 0),
    Fault("killed after", _killed_after, 1, "provisioning", 1),
    Fault("sent twice", _sent_twice, 2, "provisioning", 1),
    Fault("not listed", _lost_after, 1, "failed", 0, is_listed=False),
    Fault("sent twice, not listed", _sent_twice, 2, "failed", 0, is_listed=False),
)


@dataclass
class Injection:
    """Does to each SubmitJob what is due, and hides the jobs that are to be listed late."""

    due: Fault = FAULTS[0]
    done: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Fault] = field(default_factory=dict)  # by session
    hides: bool = True

    def submit(self, request: Any, **_: Any) -> Any:
        self.done[self.due.name] += 1
        self.faults[json.loads(request.body)["jobName"]] = self.due
        return self.due.do(request)

    def listing(self, request: Any, **_: Any) -> Any:
        [name] = json.loads(request.body)["filters"][0]["values"]
        if self.hides and not self.faults[name].is_listed:
            return _answer(request, 200, {"jobSummaryList": []})
        return None

    @contextmanager
    def working(self) -> Iterator[None]:
        events = bootstrap.aws().batch.meta.events
        handlers = {"before-send.batch.SubmitJob": self.submit, "before-send.batch.ListJobs": self.listing}
        for event, handler in handlers.items():
            events.register_first(event, handler)
        try:
            yield
        finally:
            for event, handler in handlers.items():
                events.unregister(event, handler)


@pytest.fixture
def stage(stack: EmbeddedAws, api: Api) -> Stage:
    return Stage(stack, api)


def _start(stage: Stage, injection: Injection, project: Any, version: str, times: int) -> None:
    training = stage.services().training
    for fault in islice(cycle(FAULTS), times):
        injection.due = fault
        with suppress(Crash):
            training.start(project, version_id=version)
    stage.ids |= injection.faults.keys()


def _hear_late(stage: Stage, project_id: str, injection: Injection) -> None:
    """The events of the jobs that nobody saw, at last; once more for good measure."""
    for _ in range(2):
        late = [
            job.job_id
            for session_id, jobs in stage.jobs(project_id).items()
            for job in jobs
            if job.is_live and not injection.faults[session_id].is_listed
        ]
        for start in range(0, len(late), 10):
            records = [stage.event_of(each) for each in late[start : start + 10]]
            assert app.handler_map["job_state"]({"Records": records}, None) == {"batchItemFailures": []}


@pytest.mark.injects(
    "SubmitJob's answer is lost, before or after it had its effect; its caller is killed, before or after it;"
    " it is sent twice; ListJobs doesn't know the job yet",
    times=100,
    soak=2000,
    outcome="within two sweeps one live job, or `failed` and none; duplicates, and jobs seen later, ended",
)
def test_a_lost_submit_leaves_one_job_or_none(stage: Stage, times: int) -> None:
    """Whatever becomes of SubmitJob, a session has exactly one live job, or it has failed and has none."""
    injection = Injection()
    with project_of(stage) as (project, version):
        with injection.working():
            _start(stage, injection, project, version, times)
            assert injection.done.total() == times
            assert max(injection.done.values()) - min(injection.done.values()) <= 1
            stage.services(minutes=3).oversight.sweep()
            injection.hides = False
        _hear_late(stage, project.project_id, injection)
        stage.services(minutes=8).oversight.sweep()
        jobs = stage.jobs(project.project_id)
        assert len(jobs) == times
        for session in stage.sessions(project.project_id):
            fault = injection.faults[session.session_id]
            live = [each.job_id for each in jobs[session.session_id] if each.is_live]
            assert (session.status, len(live)) == (fault.status, fault.live_jobs), fault.name
            assert live in ([], [session.batch_job_id]), fault.name
            assert len(jobs[session.session_id]) == fault.jobs, fault.name
