"""Imports and exports, and objects in pieces."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import md5

import pytest

from chalicelib.adapters.dynamodb import Tables
from chalicelib.adapters.transfers import DynamoProjectReader
from chalicelib.contract.datasets import Transfer, TransferStatus, transfer_row
from chalicelib.contract.errors import UnprocessableError
from chalicelib.services.transfer_ports import ProjectReader
from tests.fake_transfers import FakeProjectReader
from tests.support import NOW, make_project, new_id

UPLOADING, QUEUED, RUNNING, COMPLETED, FAILED = TransferStatus
MINIMUM = 5 << 20  # bytes; S3 takes no smaller part, but for the last


def make_transfer(project_id: str, kind: str = "import", **changes) -> Transfer:
    transfer_id = changes.get("transfer_id") or new_id()
    own = {
        "project_id": project_id,
        "image_id": transfer_row(kind, transfer_id),
        "transfer_id": transfer_id,
        "kind": kind,
        "format": None,
        "status": QUEUED,
        "created_at": NOW,
        "expires_at": 2_000_000_000,
    }
    return Transfer(**(own | changes))


@pytest.fixture
def transfer(ports, project_id) -> Transfer:
    made = make_transfer(project_id)
    ports.transfers.add(made)
    return made


def _read(ports, transfer: Transfer) -> Transfer:
    return ports.transfers.get(transfer.project_id, transfer.kind, transfer.transfer_id)


def test_a_transfer_is_read_as_it_was_added(ports, project_id):
    """Every field of a transfer comes back, and nothing is found under another kind or project."""
    made = make_transfer(
        project_id,
        "export",
        format="coco",
        with_images=False,
        version_id=new_id(),
        counts={"images": 3},
        problems={"image-missing": 1},
        examples=[{"file": "a.jpg", "line": 2}],
        failure_reason={"code": "c", "message": "m"},
        progress=12.5,
    )
    ports.transfers.add(made)
    assert _read(ports, made) == made
    assert ports.transfers.get(project_id, "import", made.transfer_id) is None
    assert ports.transfers.get(new_id(), "export", made.transfer_id) is None


def test_transfers_are_listed_newest_first(ports, project_id):
    """A page has those of one kind and project before the cursor, the newest at its head."""
    ids = [new_id(1_769_000_000_000 + place) for place in range(4)]
    for each in ids:
        ports.transfers.add(make_transfer(project_id, transfer_id=each))
    ports.transfers.add(make_transfer(project_id, "export"))
    ports.transfers.add(make_transfer(new_id()))

    def listed(limit: int, before: str | None) -> list[str]:
        return [each.transfer_id for each in ports.transfers.list(project_id, "import", limit, before)]

    assert listed(10, None) == ids[::-1]
    assert listed(2, None) == [ids[3], ids[2]]
    assert listed(2, ids[2]) == [ids[1], ids[0]]


@pytest.mark.parametrize(
    ("since", "attempt", "holds"),
    [([QUEUED], None, True), ([UPLOADING, RUNNING], None, False), ([QUEUED], 0, True), ([QUEUED], 1, False)],
)
def test_a_change_holds_under_its_condition_alone(ports, transfer, since, attempt, holds):
    """A change is made from the named states and for the newest attempt, and else changes nothing."""
    changes = {"status": RUNNING, "progress": 50, "ended_at": None}
    assert ports.transfers.change(transfer, changes, since, attempt) is holds
    assert _read(ports, transfer) == (replace(transfer, status=RUNNING, progress=50) if holds else transfer)


def test_a_change_makes_no_row(ports, project_id):
    """A transfer whose row is gone, as after its project's removal, stays gone."""
    gone = make_transfer(project_id)
    assert not ports.transfers.change(gone, {"progress": 1}, list(TransferStatus))
    assert not ports.transfers.claim(gone, 1, NOW)
    assert _read(ports, gone) is None


def test_a_later_attempt_takes_over(ports, transfer):
    """An attempt claims a transfer that waits or runs from any earlier one, and never from a later."""
    assert ports.transfers.claim(transfer, 1, NOW)
    assert _read(ports, transfer).status == RUNNING
    assert not ports.transfers.claim(transfer, 1, NOW)
    assert ports.transfers.claim(transfer, 3, NOW)
    assert not ports.transfers.claim(transfer, 2, NOW)
    assert not ports.transfers.change(transfer, {"progress": 1}, [RUNNING], attempt=1)
    assert _read(ports, transfer).attempt == 3


@pytest.mark.parametrize("status", [UPLOADING, COMPLETED, FAILED])
def test_what_does_not_wait_cannot_be_claimed(ports, project_id, status):
    """A transfer that is over, or not sent yet, is nobody's to carry out."""
    made = make_transfer(project_id, status=status)
    ports.transfers.add(made)
    assert not ports.transfers.claim(made, 1, NOW)
    assert _read(ports, made) == made


def test_of_ten_claims_at_once_one_holds(ports, transfer):
    """Ten processes with the same attempt number: one of them gets the transfer."""
    with ThreadPoolExecutor(10) as pool:
        won = list(pool.map(lambda _: ports.transfers.claim(transfer, 1, NOW), range(10)))
    assert won.count(True) == 1


@pytest.fixture
def reader(ports, request) -> ProjectReader:
    if hasattr(ports.projects, "rows"):
        return FakeProjectReader(ports.projects)
    assert isinstance(ports.transfers._tables, Tables)
    return DynamoProjectReader(ports.transfers._tables)


def test_a_deleted_project_is_not_live(ports, reader):
    """A project is read until it is deleted, and none is made up."""
    project = make_project()
    ports.projects.add(project)
    assert reader.live(project.project_id) == project
    ports.projects.delete(project.project_id, NOW)
    assert reader.live(project.project_id) is None
    assert reader.live(new_id()) is None


@pytest.fixture
def key(project_id) -> str:
    return f"transfers/{project_id}/{new_id()}/archive"


def test_parts_become_one_object(ports, key):
    """Parts are listed by number with their sizes, and become one object in that order."""
    store = ports.large_objects
    upload = store.begin(key, "application/zip")
    assert list(store.parts(key, upload)) == []
    sent = {number: store.put_part(key, upload, number, content) for number, content in _pieces()}
    assert [(each.number, each.size_bytes) for each in store.parts(key, upload)] == [(1, MINIMUM), (2, 3)]
    assert store.find(key) is None
    store.finish(key, upload, [sent[1], sent[2]])
    seen = store.find(key)
    assert seen.size_bytes == MINIMUM + 3
    assert store.read(key, seen.etag, MINIMUM - 2, 4) == b"aa" + b"bb"
    assert store.read(key, seen.etag, MINIMUM, 100) == b"bbc"


def _pieces() -> list[tuple[int, bytes]]:
    return [(2, b"bbc"), (1, b"a" * MINIMUM)]


def test_a_finished_upload_is_no_longer_there(ports, key):
    """After it is finished, an upload has no parts, and finishing it again changes nothing."""
    store = ports.large_objects
    upload = store.begin(key, "application/zip")
    part = store.put_part(key, upload, 1, b"abc")
    store.finish(key, upload, [part])
    store.finish(key, upload, [part])
    assert store.parts(key, upload) is None
    assert store.find(key).size_bytes == 3


def test_a_part_that_is_sent_again_counts_once(ports, key):
    """The last content sent under a number is the part."""
    store = ports.large_objects
    upload = store.begin(key, "application/zip")
    store.put_part(key, upload, 1, b"old")
    again = store.put_part(key, upload, 1, b"newer")
    assert [(each.number, each.size_bytes) for each in store.parts(key, upload)] == [(1, 5)]
    store.finish(key, upload, [again])
    assert store.find(key).size_bytes == 5


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_another_object_is_not_read(ports, key, change):
    """Bytes come from the object that was found, never from one that took its place."""
    ports.store.put(key, b"first", "application/zip")
    seen = ports.large_objects.find(key)
    replacing: dict[str, Callable[[], object]] = {
        "replaced": lambda: ports.store.put(key, b"other", "application/zip"),
        "deleted": lambda: ports.store.delete([key]),
    }
    replacing[change]()
    with pytest.raises(UnprocessableError) as raised:
        ports.large_objects.read(key, seen.etag, 0, 5)
    assert raised.value.code == "archive-gone"


def test_a_transfers_job_is_found_by_its_name(ports, transfer):
    """A job is named by its transfer, and found by name and by id."""
    job_id = ports.transfer_jobs.submit(transfer)
    assert [each.batch_job_id for each in ports.transfer_jobs.find(transfer.transfer_id)] == [job_id]
    assert ports.transfer_jobs.describe([job_id])[job_id].status == "RUNNABLE"
    assert list(ports.transfer_jobs.find(new_id())) == []


def test_the_etag_of_an_object_tells_it_apart(ports, key):
    """Two contents have two ETags."""
    etags = set()
    for content in (b"one", b"two"):
        ports.store.put(key, content, "application/zip")
        etags.add(ports.large_objects.find(key).etag)
    assert len(etags) == 2
    assert md5(b"one").hexdigest() in {each.strip('"') for each in etags}
