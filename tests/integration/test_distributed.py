"""Several processes that train one model: real ones, of `python -m training_job`, in the embedded AWS."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from training_project import ENDLESS, NOW, Project, has_epochs, project_in

import training_job.run
from chalicelib.contract.states import Status
from infra.local.aws import EmbeddedAws

#: Twenty seconds each.
LONG = pytest.mark.skipif(os.environ.get("SOAK") != "1", reason="runs in make soak")

#: Nothing in it depends on which process an image is in: no statistics of a batch, no dropout.
FROZEN = replace(ENDLESS, architecture="resnet18", freeze_backbone=True, batch_size=7, learning_rate=1e-2)
TWO = {"TRAINING_PROCESSES": "2"}


@dataclass
class Together(Project):
    """A project whose processes get some variables more."""

    more: dict[str, str] = field(default_factory=dict)

    def environment(self, attempt: int) -> dict[str, str]:
        return super().environment(attempt) | self.more

    def start_with(self, attempt: int = 1, **more: str) -> subprocess.Popen[bytes]:
        self.more = more
        return self.start(attempt)

    @property
    def pids(self) -> list[int]:
        """Every process of the session that there is on this machine, whoever started it."""
        mark = f"SESSION_ID={self.session_id}".encode()
        return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/environ") if mark in _read(each)]

    def workers(self) -> dict[str, int]:
        """Those that train, by local rank."""
        variables = {pid: _read(Path(f"/proc/{pid}/environ")).split(b"\0") for pid in self.pids}
        ranks = {
            pid: [each for each in names if each.startswith(b"LOCAL_RANK=")]
            for pid, names in variables.items()
        }
        return {found[0].decode()[-1]: pid for pid, found in ranks.items() if found}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or isn't ours
        return b""


@pytest.fixture
def project(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Together]:
    with project_in(stack, tmp_path) as inner:
        yield Together(stack, tmp_path, processes=inner.processes)


def _train_alone(project: Project, epochs: int, attempt: int = 1) -> None:
    """In this process, to a stop after as many epochs, and without a report."""
    project.stop_when(has_epochs(epochs))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_job.run, "store_report", lambda *_: "none")
        assert project.train(attempt) == 0


def _free_port() -> str:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return str(each.getsockname()[1])


def test_two_machines_come_to_what_one_does_until_they_are_stopped(project: Together) -> None:
    """Two nodes leave an item an epoch, with one process's figures; a stop ends both, with results."""
    project.add_images(9)
    project.add_session(FROZEN)
    nodes = {
        "AWS_BATCH_JOB_NUM_NODES": "2",
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
        "MASTER_PORT": _free_port(),
    }
    main = project.start_with(1, AWS_BATCH_JOB_NODE_INDEX="0", **nodes)
    address = {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.1"}
    child = project.start_with(1, AWS_BATCH_JOB_NODE_INDEX="1", **nodes, **address)
    project.until(has_epochs(2))
    project.set(StopRequestedAt=NOW)
    assert (main.wait(90), child.wait(30)) == (0, 0)
    assert (project.session.status, project.session.results_key is not None) == (Status.STOPPED, True)

    alone = Together(project.stack, project.folder, project.project_id, entries=project.entries)
    alone.session_id = project.session_id[:-1] + "Z"
    alone.add_session(FROZEN)
    _train_alone(alone, epochs=2)
    pairs = list(zip(project.history, alone.history, strict=False))
    assert [(ours.epoch, theirs.epoch) for ours, theirs in pairs[:2]] == [(1, 1), (2, 2)]
    for ours, theirs in pairs[:2]:
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
        assert ours.val_loss == pytest.approx(theirs.val_loss, rel=1e-4)
        assert (ours.train_accuracy, ours.val_accuracy) == (theirs.train_accuracy, theirs.val_accuracy)


@LONG
def test_one_process_goes_on_where_two_were_reclaimed(project: Together) -> None:
    """SIGTERM to the first process ends all of them with 143 in time, and another attempt goes on alone."""
    project.add_images(9)
    project.add_session(ENDLESS)
    process = project.start_with(1, **TWO)
    project.until(has_epochs(2))
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 143
    assert time.monotonic() - start < 25
    assert project.pids == []

    kept, before = project.session, project.history
    assert (kept.status, kept.checkpoint is not None) == (Status.RUNNING, True)
    _train_alone(project, epochs=before[-1].epoch + 1, attempt=2)
    assert len(project.history) > len(before)
    assert project.history[: len(before)] == before  # none of them was trained again


@LONG
def test_a_process_that_is_killed_takes_the_others_with_it(project: Together) -> None:
    """SIGKILL to one process ends the job with 137, leaves none behind, and leaves the session as it was."""
    project.add_images(9)
    project.add_session(ENDLESS)
    process = project.start_with(1, **TWO)
    project.until(has_epochs(1))
    os.kill(project.workers()["1"], signal.SIGKILL)
    assert process.wait(40) == 137
    assert project.pids == []
    assert project.session.status == Status.RUNNING


def test_what_fails_in_any_process_is_the_sessions_reason(project: Together) -> None:
    """An object that only the second process asks for fails the session by its name, with 1."""
    project.add_images(9)
    project.add_session(ENDLESS)
    missing = [project.entries[index].image_id for index in (0, 9, 17)]
    for image_id in missing:
        project.s3.delete_object(
            Bucket=project.bucket, Key=f"projects/{project.project_id}/images/{image_id}"
        )
    assert project.start_with(1, **TWO).wait(60) == 1
    failure = project.session.failure_reason
    assert failure["code"] == "missing-object"
    assert any(image_id in failure["message"] for image_id in missing)
