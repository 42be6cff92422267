"""Watching, stopping and collecting runs."""

import json

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError
from chalicelib.contract.states import Status
from tests.fakes import fake_ports
from tests.support import make_session

RESULTS = {
    "accuracy": 1.0,
    "artifacts": [{"format": "onnx", "key": "projects/P/sessions/S/artifacts/model.onnx"}],
    "misclassified": [{"imageId": "I"}],
}


@pytest.fixture
def ports():
    return fake_ports()


def _added(ports, status: Status, **changes):
    session = make_session("P", status, **changes)
    ports.sessions.add(session)
    return session


def _refused(ports, session) -> ConflictError:
    with pytest.raises(ConflictError) as refused:
        assemble(ports).runs.results(session)
    return refused.value


@pytest.mark.parametrize("status", [Status.QUEUED, Status.PROVISIONING])
def test_a_run_that_has_not_begun_stops_at_once(ports, status):
    """A waiting run is stopped, with its job."""
    session = _added(ports, status)
    job_id = ports.jobs.submit(session, 1)
    ports.sessions.set_job(session, job_id)
    stopped = assemble(ports).runs.stop(session)
    assert (stopped.status, stopped.active) == ("stopped", None)
    assert ports.jobs.seen[job_id].status == "FAILED"


def test_a_waiting_run_without_a_job_stops(ports):
    """A run whose job isn't known yet stops as well."""
    assert assemble(ports).runs.stop(_added(ports, Status.QUEUED)).status == "stopped"


def test_a_running_run_is_asked_to_stop(ports):
    """A run that trains goes on to its next step: its job is left alone, and the wish is noted."""
    session = _added(ports, Status.RUNNING)
    job_id = ports.jobs.submit(session, 1)
    ports.sessions.set_job(session, job_id)
    asked = assemble(ports).runs.stop(session)
    assert (asked.status, asked.end_time) == ("running", None)
    assert asked.stop_requested_at is not None
    assert ports.jobs.seen[job_id].status == "RUNNABLE"


def test_stopping_again_changes_nothing(ports):
    """A second stop of a running or a stopped run is no error and keeps the first time."""
    for status in (Status.RUNNING, Status.QUEUED):
        session = _added(ports, status)
        first = assemble(ports).runs.stop(session)
        ports.clock.advance(minutes=1)
        assert assemble(ports).runs.stop(session) == first


def test_stopping_again_ends_the_job_that_the_first_stop_left(ports):
    """A stop that died between the session's end and its job's is made good by the next one."""
    session = _added(ports, Status.QUEUED)
    job_id = ports.jobs.submit(session, 1)
    ports.sessions.set_job(session, job_id)
    ports.sessions.end(session, Status.STOPPED, "2026-01-31T08:15:00.000Z")
    assert assemble(ports).runs.stop(session).status == "stopped"
    assert ports.jobs.seen[job_id].status == "FAILED"


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_a_run_that_is_over_cannot_be_stopped(ports, status):
    """A completed or failed run stays as it is, and the caller is told."""
    session = _added(ports, status)
    with pytest.raises(ConflictError) as refused:
        assemble(ports).runs.stop(session)
    assert refused.value.code == "run-is-over"
    assert ports.sessions.get("P", session.session_id) == session


def test_a_run_that_began_meanwhile_is_not_ended(ports):
    """A stop by a row read while queued does not end a run that runs by now."""
    session = _added(ports, Status.QUEUED)
    ports.sessions.advance(session, Status.RUNNING)
    assert assemble(ports).runs.stop(session).status == "running"


@pytest.mark.parametrize("status", [Status.QUEUED, Status.PROVISIONING, Status.RUNNING])
def test_results_of_a_run_that_is_not_over_come_later(ports, status):
    """The caller is told when to ask again."""
    error = _refused(ports, _added(ports, status))
    assert (error.code, error.retry_after_seconds) == ("run-not-over", 5)


def test_results_of_a_failed_run_are_its_reason(ports):
    """The answer carries the failure, and no time to ask again."""
    reason = {"code": "out-of-memory", "message": "use a smaller batchSize"}
    error = _refused(ports, _added(ports, Status.FAILED, failure_reason=reason))
    assert (error.code, error.extra, error.retry_after_seconds) == ("run-failed", {"failure": reason}, None)
    assert "smaller batchSize" in error.detail
    assert _refused(ports, _added(ports, Status.FAILED)).extra == {"failure": {}}


def test_a_run_stopped_too_early_has_no_results(ports):
    """Before the first epoch there was nothing to keep."""
    assert _refused(ports, _added(ports, Status.STOPPED)).code == "run-stopped"


def test_deleted_results_are_gone(ports):
    """A document that isn't in the store any more is a 409 of its own."""
    assert _refused(ports, _added(ports, Status.COMPLETED, results_key="gone")).code == "results-gone"


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.STOPPED])
def test_results_come_with_urls_for_keys(ports, status):
    """A completed run, and one stopped with a model, gives the document with signed URLs."""
    ports.store.put("results", json.dumps(RESULTS).encode(), "application/json")
    found = assemble(ports).runs.results(_added(ports, status, results_key="results"))
    [artifact], [mistake] = found["artifacts"], found["misclassified"]
    assert artifact["url"].startswith("https://store.example/projects/P/sessions/S/artifacts/model.onnx")
    assert "key" not in artifact
    assert "projects/P/thumbnails/I" in mistake["thumbnailUrl"]
    assert found["accuracy"] == 1.0


def test_history_is_read_when_asked_for(ports):
    """Without history no epoch is read; with it the list is there, even if empty."""
    session = _added(ports, Status.RUNNING)
    runs = assemble(ports).runs
    assert runs.watch(session, history=False).history is None
    assert runs.watch(session, history=True).history == []
    assert list(runs.list("P", 10, None)) == [session]
