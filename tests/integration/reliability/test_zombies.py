"""A process that was replaced, and doesn't know it: what it still sends changes nothing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
import torch
from training_project import NOW, Project, project_in

from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.records import Failure
from chalicelib.contract.states import Phase, Status
from chalicelib.contract.tables import METRICS, SESSIONS
from infra.local.aws import EmbeddedAws
from training_job.checkpoint_store import CheckpointStore
from training_job.figures import EpochFigures
from training_job.job import Job
from training_job.metrics_sink import SessionSink
from training_job.sessions import SessionRepository

Write = Callable[[], object]
FIGURES = EpochFigures(
    epoch=7, train_loss=9.0, train_accuracy=0.0, val_loss=9.0, val_accuracy=0.0,
    learning_rate=9.0, images_per_second=9.0, epoch_seconds=9.0,
)  # fmt: skip
#: As `report.store_report` names them.
FILES = ("artifacts/model.safetensors", "artifacts/model.onnx", "artifacts/model.json", "results.json")


@pytest.fixture
def project(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Project]:
    with project_in(stack, tmp_path) as project:
        project.add_session()
        yield project


def _job(project: Project, sessions: SessionRepository) -> Job:
    """What the process of an attempt works with."""
    job = project.job()
    reports = replace(job.reports, generation=sessions.generation, attempt=sessions.attempt)
    return replace(job, sessions=sessions, reports=reports)


def _checkpoints(job: Job) -> CheckpointStore:
    return CheckpointStore(job.objects, job.sessions, {"run": 1}, Event())


def _writes(job: Job) -> list[Write]:
    """One of each kind that a process sends to its session: metrics, status, pointers and claims."""
    sessions, sink = job.sessions, SessionSink(job.sessions, Event())
    pointer = {"key": "zombie", "sha256": "0" * 64, "epoch": 99, "step": 0, "sizeBytes": 1}
    return [
        lambda: sessions.update({"Progress": 99, "Metrics": {"epoch": 99}}),
        lambda: sessions.update({"Checkpoint": pointer}),
        lambda: sessions.update({"Progress": 0}, remove=("Metrics", "Checkpoint")),
        lambda: sessions.end(Status.COMPLETED, {"ResultsKey": "zombie", "Progress": 100}),
        lambda: sessions.end(Status.STOPPED, {"Phase": Phase.DONE}),
        lambda: sessions.fail(Failure(code="zombie", message="zombie")),
        sessions.claim,
        lambda: sink.enter(Phase.EXPORTING),
        sink.begin_anew,
        lambda: sink.on_epoch(FIGURES),
    ]


def _rows(project: Project) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The session's row and its metrics, as they lie in the tables."""
    key = {"ProjectID": {"S": project.project_id}, "SessionID": {"S": project.session_id}}
    session = project.dynamodb.get_item(TableName=project.prefix + SESSIONS, Key=key)["Item"]
    metrics = project.dynamodb.query(
        TableName=project.prefix + METRICS,
        KeyConditionExpression="SessionID = :s",
        ExpressionAttributeValues={":s": {"S": project.session_id}},
    )
    return session, metrics["Items"]


def _refused(writes: list[Write], times: int) -> int:
    """How many of so many writes were refused for the claim that their process has lost."""
    refused = 0
    for write in islice(cycle(writes), times):
        try:
            write()
        except LostClaimError:
            refused += 1
    return refused


@pytest.mark.injects(
    "a write of a process whose session a later attempt has claimed, or was submitted anew",
    times=1_000,
    soak=20_000,
    outcome="refused; the session's row and its metrics stay as they were, byte for byte",
)
def test_no_write_of_a_zombie_is_accepted(project: Project, times: int) -> None:
    """Half of them after the second attempt's claim; half, of both attempts, after a resubmission's."""
    first, second = project.repository(attempt=1), project.repository(attempt=2)
    first.claim()
    first.add_epoch(project.epoch_metrics(), {"Progress": 50})
    second.claim()
    before = _rows(project)
    assert _refused(_writes(_job(project, first)), times // 2) == times // 2
    assert _rows(project) == before
    project.set(Generation=2, Attempt=0, JobID="job-2", Status=Status.QUEUED)
    anew = project.repository(attempt=1, generation=2, batch_job_id="job-2")
    anew.claim()
    before = _rows(project)
    both = [each for zombie in (first, second) for each in _writes(_job(project, zombie))]
    assert _refused(both, times - times // 2) == times - times // 2
    assert _rows(project) == before
    anew.update({"Progress": 60})
    assert project.session.progress == 60


@pytest.mark.injects(
    "an object that such a process still puts: a result, a model's file, a checkpoint",
    times=40,
    soak=2_000,
    outcome="lies beside those of the attempt that replaced it, which stay; nothing points to it",
)
def test_no_object_of_a_zombie_replaces_another(project: Project, times: int, tmp_path: Path) -> None:
    """Each attempt has keys of its own, and each checkpoint another one: none is ever written twice."""
    jobs = [_job(project, project.repository(attempt)) for attempt in (1, 2)]
    for job in jobs:
        job.sessions.claim()
    zombie, owner = jobs
    kept = {owner.reports.put(each, b"of the owner", "text/plain") for each in FILES}
    state = {"weights": torch.zeros(3), "batch_size": 4}
    _checkpoints(owner).save(state, epoch=1, step=0, wait=True)
    kept.add(project.session.checkpoint["key"])
    before, bodies = _rows(project), {each: project.object(each) for each in kept}
    late = tmp_path / "late"
    late.write_bytes(b"of the zombie")
    checkpoints = _checkpoints(zombie)
    puts: list[Write] = [
        *(lambda name=each: zombie.reports.put(name, b"of the zombie", "text/plain") for each in FILES),
        *(lambda name=each: zombie.reports.put_file(name, late, "text/plain") for each in FILES),
        lambda: checkpoints.save(state, epoch=1, step=0, wait=True),
        lambda: checkpoints.save({**state, "weights": torch.ones(3)}, epoch=2, step=1, wait=True),
    ]
    assert _refused(puts, times) == times // len(puts) * 2  # the checkpoints' pointers
    assert {each: project.object(each) for each in kept} == bodies
    assert _rows(project) == before


@pytest.mark.injects(
    "two jobs of one session, after a lost answer of SubmitJob, that claim it at the same moment",
    times=10,
    soak=500,
    outcome="one has it, and the other one writes nothing and ends",
)
def test_one_of_two_jobs_gets_the_session(project: Project, times: int) -> None:
    """Both are first attempts of the same generation: the job's id tells them apart."""
    for _ in range(times):
        project.set(Status=Status.QUEUED, Attempt=0, HeartbeatAt=NOW)
        project.remove("JobID")
        rivals = [project.repository(attempt=1, batch_job_id=each) for each in ("job-1", "job-2")]
        meeting = Barrier(len(rivals))

        def claim(rival: SessionRepository, meeting: Barrier = meeting) -> SessionRepository | None:
            meeting.wait()
            try:
                rival.claim()
            except LostClaimError:
                return None
            return rival

        with ThreadPoolExecutor(2) as pool:
            [winner] = filter(None, pool.map(claim, rivals))
        [loser] = [each for each in rivals if each is not winner]
        assert project.session.batch_job_id == winner.batch_job_id
        later = replace(loser, attempt=2)  # a later attempt of the wrong job is not the session's either
        assert _refused([later.claim], 1) == 1
        winner.update({"Progress": 1})
