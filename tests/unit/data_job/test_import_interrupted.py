"""An import that is stopped, killed or kept waiting: no interruption makes a difference."""

from dataclasses import replace
from threading import Event

import pytest

from chalicelib.contract.datasets import TransferStatus
from chalicelib.contract.errors import UnavailableError
from chalicelib.services.posted_uploads import PostedUploads
from data_job import patience
from data_job.ports import Ports
from data_job.progress import NotOursError
from tests.support import Crash, Crashes, make_image
from tests.unit.data_job.world import BAD, World, picture


@pytest.fixture
def world() -> World:
    return World()


def test_a_project_that_is_deleted_gets_nothing_more(world):
    """Once its project is deleted an import stops, and doesn't begin again."""
    transfer = world.add_import({"cat/a.jpg": picture(1)})
    world.api.projects.delete(world.project_id, "2026-01-31T08:15:00.000Z")
    for _ in range(2):
        with pytest.raises(NotOursError):
            world.run(transfer)
    assert world.images() == {}


def test_an_earlier_attempt_that_still_lives_stops(world):
    """A process whose transfer was claimed by a later attempt can neither report nor complete it."""
    transfer = world.add_import({"cat/a.jpg": picture(1)})
    ports = _interrupting(
        world.ports, "store", lambda: world.api.transfers.claim(transfer, 9, transfer.created_at)
    )
    with pytest.raises(NotOursError):
        world.run(transfer, ports)
    assert world.seen(transfer).status == TransferStatus.RUNNING


def test_aws_that_is_busy_leaves_the_import_to_another_attempt(world):
    """`UnavailableError` ends the attempt, not the import: the next one completes it."""
    transfer = world.add_import({"cat/a.jpg": picture(1)})

    def busy() -> None:
        raise UnavailableError("busy")

    with pytest.raises(UnavailableError):
        world.run(transfer, _interrupting(world.ports, "images", busy))
    assert world.run(transfer) is None
    assert world.seen(transfer).counts["accepted"] == 1


def test_a_busy_moment_does_not_end_the_attempt(world, monkeypatch):
    """Rows that DynamoDB refuses for a while are written a little later, by the same attempt."""
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)
    refusals = iter([UnavailableError("busy")] * 4)
    accept = world.api.images.accept

    def accept_later(image):
        for refusal in refusals:
            raise refusal
        return accept(image)

    world.api.images.accept = accept_later
    assert world.imported({"cat/a.jpg": picture(1)}).counts["accepted"] == 1


@pytest.mark.parametrize("refusals", [1, 99])
def test_a_split_that_does_not_hold_is_not_lost(world, monkeypatch, refusals):
    """Where rows stay busy a split is stored by a later try, or by a later attempt; never left out."""
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)
    world.api.images.accept(make_image(world.project_id, file_name="a.jpg"))
    outcomes, store = iter([False] * refusals), world.api.images.set_splits
    world.api.images.set_splits = lambda project_id, splits: (
        [False for _ in splits] if next(outcomes, None) is not None else store(project_id, splits)
    )
    transfer = world.add_import(b"a.jpg,cat,val\n", file_name="labels.csv", format="csv")
    if refusals == 99:
        with pytest.raises(UnavailableError):
            world.run(transfer)
        world.api.images.set_splits = store
    assert world.run(transfer) is None
    assert world.images()["a.jpg"].split == "val"


class _Interrupting:
    """Does something else at the first call of a port."""

    def __init__(self, port, act) -> None:
        self._port, self._act, self._done = port, act, Event()

    def __getattr__(self, name):
        if not self._done.is_set():
            self._done.set()
            self._act()
        return getattr(self._port, name)


def _interrupting(ports: Ports, name: str, act) -> Ports:
    return replace(ports, **{name: _Interrupting(getattr(ports, name), act)})


MIXED = {
    "labels.csv": "a.jpg,cat,train\nb.jpg,dog,\nbad.jpg,cat,\nsame.jpg,cat,\nold.jpg,cat,val\n",
    "a.jpg": picture(1),
    "b.jpg": picture(2),
    "bad.jpg": BAD,
    "same.jpg": picture(1),
    "more.jpg": picture(3),
}
PORTS = ("transfers", "images", "uploads", "labels", "store", "large_objects")


def _crashing(world: World, at: int, after: bool) -> tuple[Ports, Crashes]:
    crashes = Crashes(at, after=after)
    return replace(world.ports, **{each: crashes.wrap(getattr(world.ports, each)) for each in PORTS}), crashes


def _end(world: World, transfer) -> object:
    """What is left of an import, less ids and times."""
    images = sorted((each.file_name, each.status, each.split) for each in world.api.images.rows.values())
    seen = world.seen(transfer)
    lines = sorted((each["file"], each["code"]) for each in world.report(transfer))
    return images, world.labels(), seen.status, seen.counts, seen.problems, lines, _objects(world)


def _objects(world: World) -> list[str]:
    """The kinds of objects; not the archive, which a death at the very end leaves to the bucket's rules."""
    keys = [each.split("/") for each in world.api.store.objects if not each.endswith("/archive")]
    return sorted(each[3] if each[0] == "transfers" else each[2] for each in keys)


def _mixed() -> tuple[World, object]:
    world = World()
    world.api.images.accept(make_image(world.project_id, file_name="old.jpg"))
    return world, world.add_import(MIXED)


def _calls() -> int:
    world, transfer = _mixed()
    ports, crashes = _crashing(world, 0, after=False)
    world.run(transfer, ports)
    return crashes.calls


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_makes_no_difference(after):
    """Killed at any of its calls, before or after its effect, an import ends as if it hadn't been.

    At every moment between, files = accepted + duplicate + rejected + pending.
    """
    expected_world, expected_transfer = _mixed()
    assert expected_world.run(expected_transfer) is None
    expected = _end(expected_world, expected_transfer)
    assert "duplicate" in str(expected)
    for at in range(1, _calls() + 1):
        world, transfer = _mixed()
        ports, _ = _crashing(world, at, after)
        with pytest.raises(Crash):
            world.run(transfer, ports)
        _check_sum(world, transfer)
        if not world.seen(transfer).is_over:
            assert world.run(transfer) is None
            assert world.key(transfer, "archive") not in world.api.store.objects
        assert _end(world, transfer) == expected, f"at call {at}"
        _check_sum(world, transfer)


def _check_sum(world: World, transfer) -> None:
    api = world.api
    posted = PostedUploads(api.images, api.uploads, api.store, api.idempotency, api.clock, api.ids)
    if api.uploads.get(world.project_id, transfer.transfer_id):
        found = posted.reconcile(world.project_id, transfer.transfer_id)
        assert sum(found.counts.values()) == found.upload.expected == 5
