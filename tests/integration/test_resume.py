"""A run whose process was ended goes on where it was, and ends with the same weights."""

import hashlib
import json
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from training_project import TINY, Project, has_epochs, project_in

from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.states import Status
from chalicelib.contract.tables import ACTIVE
from infra.local.aws import EmbeddedAws
from training_job.checkpoint_store import CHECKPOINT_TAG, CheckpointStore

#: With all that has a state or draws, and long enough to be caught in its middle.
CONFIG = replace(TINY, epochs=5, batch_size=2, ema_decay=0.9, mixup=0.2)

MISSING = {"key": "projects/none", "sha256": "0", "epoch": 9, "step": 0}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As many as the processes have: the last bits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def untouched(stack: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A run that nobody interrupts, on images that the others copy."""
    with project_in(stack, tmp_path_factory.mktemp("untouched")) as project:
        project.add_images()
        project.add_session(CONFIG)
        assert project.train() == 0
        yield project


@pytest.fixture
def copy(untouched: Project, stack: EmbeddedAws, tmp_path: Path) -> Iterator[Project]:
    """Another session of the same project."""
    with project_in(stack, tmp_path, untouched.project_id) as project:
        project.entries = untouched.entries
        project.add_session(CONFIG)
        yield project


def _weights(project: Project) -> str:
    results = json.loads(project.object(project.session.results_key or ""))
    [weights] = [each for each in results["artifacts"] if each["format"] == "safetensors"]
    digest: str = weights["sha256"]
    assert hashlib.sha256(project.object(weights["key"])).hexdigest() == digest
    return digest


def _figures(history: list[EpochMetrics]) -> list[tuple[float, ...]]:
    return [
        (each.epoch, each.train_loss, each.val_loss, each.val_accuracy, each.learning_rate)
        for each in history
    ]


def test_reclaimed_run_ends_with_the_same_weights(
    untouched: Project, copy: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGTERM keeps the very step; the next attempt goes on there, shows no less, and ends the same.

    Also where a newer checkpoint can't be read.
    """
    process = copy.start()
    copy.until(has_epochs(1))
    process.terminate()
    assert process.wait(30) == 143
    before, reached = copy.session, _figures(copy.history)
    kept = before.checkpoint or {}
    assert (before.status, before.active, copy.checkpoints) == (Status.RUNNING, ACTIVE, [kept["key"]])
    assert (kept["epoch"], kept["step"]) >= (reached[-1][0], 1)

    copy.set(Checkpoint=MISSING | {"previous": kept})
    with caplog.at_level(logging.INFO):
        shown = _progress_of(copy, lambda: copy.train(attempt=2))
    assert f"not going on from {MISSING['key']}: it is missing" in caplog.text
    assert f"going on from {kept['key']}" in caplog.text
    assert min(shown) >= before.progress > 10
    assert _figures(copy.history)[: len(reached)] == reached
    assert _figures(copy.history) == _figures(untouched.history)
    assert _weights(copy) == _weights(untouched)
    assert (copy.session.status, copy.session.checkpoint, copy.checkpoints) == (Status.COMPLETED, None, [])


def test_killed_run_ends_with_the_same_weights(
    untouched: Project, copy: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGKILL leaves what was kept last; the next attempt goes on from there, and ends the same."""
    often = replace(CONFIG, checkpoint_minutes=0.001)
    copy.set(Config=often.resolved().to_json())
    process = copy.start()
    copy.until(lambda session: (session.checkpoint or {}).get("epoch", 0) > 1)
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    assert (copy.session.status, copy.session.active) == (Status.RUNNING, ACTIVE)

    with caplog.at_level(logging.INFO):
        assert copy.train(attempt=2) == 0
    assert "going on from" in caplog.text
    assert _figures(copy.history) == _figures(untouched.history)
    assert _weights(copy) == _weights(untouched)


def _progress_of(project: Project, train: Callable[[], int]) -> list[float]:
    """What a run shows as its progress, write by write."""
    shown: list[float] = []

    def note(params: dict[str, object], **_: object) -> None:
        values = json.loads(str(params["body"].decode())).get("ExpressionAttributeValues", {})  # type: ignore[attr-defined]
        if ":newProgress" in values:
            shown.append(float(values[":newProgress"]["N"]))

    project.dynamodb.meta.events.register("before-call.dynamodb.UpdateItem", note)
    assert train() == 0
    return shown


def _damage(project: Project, key: str) -> None:
    project.s3.put_object(Bucket=project.bucket, Key=key, Body=project.object(key)[:-9])


def test_without_a_good_checkpoint_the_run_begins_anew(copy: Project) -> None:
    """With none that can be read a later attempt takes back what was shown, and completes."""
    shown = {"Attempt": 1, "Progress": 80, "Metrics": {"epoch": 2}}
    copy.set(Config=TINY.resolved().to_json(), Checkpoint=MISSING, **shown)
    assert _progress_of(copy, lambda: copy.train(attempt=2))[0] == 0
    assert [each.epoch for each in copy.history] == [1, 2]


def _store(project: Project, attempt: int = 1, **identity: str) -> CheckpointStore:
    job = project.job(attempt)
    return CheckpointStore(job.objects, job.sessions, identity, Event())


def _state(epoch: int) -> dict[str, object]:
    return {"epoch": epoch, "batch_size": 4, "model": {"weight": torch.full((3,), float(epoch))}}


@pytest.fixture
def kept(copy: Project) -> Project:
    """A session with three checkpoints written, of which the last two are left."""
    copy.repository(attempt=1).claim()
    store = _store(copy)
    for epoch in (1, 2, 3):
        store.save(_state(epoch), epoch=epoch, step=0)
    store.close()
    return copy


def test_the_newest_two_checkpoints_are_kept(kept: Project) -> None:
    """The row names both, the older one is deleted, and each has the tag by which it would expire."""
    pointer = kept.session.checkpoint or {}
    assert sorted(kept.checkpoints) == sorted([pointer["key"], pointer["previous"]["key"]])
    tags = kept.s3.get_object_tagging(Bucket=kept.bucket, Key=pointer["key"])["TagSet"]
    assert "&".join(f"{each['Key']}={each['Value']}" for each in tags) == CHECKPOINT_TAG


@pytest.mark.parametrize(
    ("spoilt", "found"), [((), 3), (("newest",), 2), (("newest", "older"), None)], ids=["none", "one", "both"]
)
@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_spoilt_checkpoint_is_passed_over(
    kept: Project, how: str, spoilt: tuple[str, ...], found: int | None
) -> None:
    """The newest that is whole is gone on from; without one, none is."""
    pointer = kept.session.checkpoint or {}
    for each in spoilt:
        key = pointer["key"] if each == "newest" else pointer["previous"]["key"]
        if how == "damaged":
            _damage(kept, key)
        else:
            kept.s3.delete_object(Bucket=kept.bucket, Key=key)
    store = _store(kept, attempt=2)
    assert store.open(pointer) == (found is not None)
    state = store.load()
    assert (state and state["epoch"]) == found
    assert store.load() is None


def test_checkpoint_of_another_run_is_passed_over(kept: Project) -> None:
    """One of another configuration or data set is none."""
    assert not _store(kept, attempt=2, datasetHash="other").open(kept.session.checkpoint)


def test_replaced_attempt_moves_no_pointer(kept: Project) -> None:
    """Once another attempt has the session, the row's checkpoint stays what that attempt found."""
    claimed = kept.repository(attempt=2).claim()
    with pytest.raises(LostClaimError):
        _store(kept).save(_state(4), epoch=4, step=0, wait=True)
    assert kept.session == claimed


def test_checkpoint_on_its_way_is_told(kept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is being sent the store is busy, and a second one waits for it."""
    store, sent = _store(kept), Event()
    write = store._write
    monkeypatch.setattr(store, "_write", lambda *arguments: (sent.wait(10), write(*arguments)))
    store.save(_state(4), epoch=4, step=0)
    assert store.busy
    sent.set()
    store.save(_state(5), epoch=5, step=0, wait=True)
    assert not store.busy
    assert (kept.session.checkpoint or {})["previous"]["epoch"] == 4
