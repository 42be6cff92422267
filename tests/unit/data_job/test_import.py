"""An import: what is taken in, what is reported, and that no crash makes a difference."""

import json
from dataclasses import replace
from hashlib import sha256
from random import Random
from threading import Event

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.datasets import TransferStatus
from chalicelib.contract.errors import ConflictError, UnavailableError
from chalicelib.services.names import MAX_FILE_NAME
from chalicelib.services.posted_uploads import PostedUploads
from data_job import patience
from data_job.ports import Ports
from data_job.progress import NotOursError
from tests.support import Crash, Crashes, make_image
from tests.unit.data_job.world import BAD, World, picture, zipped

CSV = "file,class,split\na.jpg,cat,train\nb.jpg,dog,val\n"


@pytest.fixture
def world() -> World:
    return World()


def _codes(world: World, transfer) -> list[str]:
    return [each["code"] for each in world.report(transfer)]


def test_images_come_with_their_labels_and_splits(world):
    """Each image of the archive is accepted under its name, with its label and split; the archive goes."""
    done = world.imported({"labels.csv": CSV, "a.jpg": picture(1), "b.jpg": picture(2)})
    assert (done.status, done.format, done.progress) == ("completed", "csv", 100)
    assert done.counts == {
        "files": 2,
        "accepted": 2,
        "duplicate": 0,
        "rejected": 0,
        "pending": 0,
        "labelled": 2,
        "ignored": 0,
    }
    assert world.labels() == {"a.jpg": "cat", "b.jpg": "dog"}
    assert {name: each.split for name, each in world.images().items()} == {"a.jpg": "train", "b.jpg": "val"}
    assert world.key(done, "archive") not in world.api.store.objects
    assert (done.problems, world.report(done)) == ({}, [])


def test_an_image_without_annotation_comes_without_label(world):
    """An image that no annotation names is accepted under its path, unlabelled."""
    world.imported({"labels.csv": CSV, "a.jpg": picture(1), "b.jpg": picture(2), "x/c.jpg": picture(3)})
    assert "x/c.jpg" in world.images()
    assert "x/c.jpg" not in world.labels()


def test_what_is_wrong_is_reported_and_the_rest_comes(world):
    """A file that is no image and an annotation of none are reported with place and reason."""
    csv = CSV + "none.jpg,cat,\n"
    done = world.imported({"labels.csv": csv, "a.jpg": picture(1), "b.jpg": BAD})
    assert world.labels() == {"a.jpg": "cat"}
    report = world.report(done)
    assert [(each["file"], each.get("line"), each["code"]) for each in report] == [
        ("b.jpg", None, "unsupported-format"),
        ("labels.csv", 4, "image-missing"),
    ]
    assert done.problems == {"image-missing": 1, "unsupported-format": 1}
    assert list(done.examples) == report
    assert (done.counts["accepted"], done.counts["rejected"]) == (1, 1)


def test_a_duplicate_is_noted_and_its_label_goes_to_the_original(world):
    """Bytes that the project has already are no second image: their label and split go to the first."""
    original = make_image(world.project_id, file_name="old.jpg")
    world.api.images.accept(replace(original, sha256=_sha256(picture(1))))
    done = world.imported({"labels.csv": CSV, "a.jpg": picture(1), "b.jpg": picture(2)})
    assert world.labels() == {"old.jpg": "cat", "b.jpg": "dog"}
    assert world.images()["old.jpg"].split == "train"
    assert _codes(world, done) == ["duplicate"]
    assert (done.counts["duplicate"], done.counts["labelled"]) == (1, 2)


def test_an_import_is_an_upload_that_no_form_renews(world):
    """Its files come out of the archive alone: a form would let others come under their ids."""
    done = world.imported({"a.jpg": picture(1), "b.jpg": BAD}, format="imagefolder")
    uploads = assemble(world.api).posted_uploads
    assert uploads.reconcile(world.project_id, done.transfer_id).counts["accepted"] == 1
    with pytest.raises(ConflictError) as refused:
        uploads.renew(world.project_id, done.transfer_id)
    assert refused.value.code == "upload-is-import"


def test_paths_of_any_length_fit_into_the_rows(world):
    """Files with paths of kilobytes are refused one by one; the row of the import stays small."""
    random = Random(1)
    names = [random.randbytes(7000).hex() + ".jpg" for _ in range(40)]
    done = world.imported({name: picture(name) for name in names}, format="imagefolder")
    assert done.counts["rejected"] == 40
    assert {each["file"] for each in world.report(done)} == {*names}
    assert max(len(each.file_name) for each in world.api.images.rows.values()) == MAX_FILE_NAME
    [names_part] = world.api.uploads.rows[world.project_id, done.transfer_id][1]
    assert len(names_part) + len(repr(done)) < 300_000


def test_equal_files_of_one_archive_are_one_image(world):
    """Of three equal files the first becomes the image, whatever the threads do."""
    done = world.imported({f"cat/{place}.jpg": picture(1) for place in range(3)})
    assert list(world.images()) == ["0.jpg"]
    assert (done.counts["accepted"], done.counts["duplicate"]) == (1, 2)


def test_an_image_labelled_in_two_ways_is_a_conflict(world):
    """Of two annotations that disagree the first counts, and the second is reported with both places."""
    csv = "a.jpg,cat\na.jpg,dog\na.jpg,cat\nb.jpg,dog\n"
    done = world.imported({"labels.csv": csv, "a.jpg": picture(1), "b.jpg": picture(1)})
    assert world.labels() == {"a.jpg": "cat"}
    conflicts = [each for each in world.report(done) if each["code"] == "conflicting-label"]
    assert [each["line"] for each in conflicts] == [2, 4]
    assert all("labels.csv, 1" in each["message"] for each in conflicts)


def test_labels_for_images_that_the_project_has(world):
    """A bare annotation file labels images of the project by name or id, and names those it can't."""
    for name in ("a.jpg", "b.jpg", "twice.jpg", "twice.jpg"):
        world.api.images.accept(make_image(world.project_id, file_name=name))
    by_id = world.images()["b.jpg"].image_id
    csv = f"a.jpg,cat,val\n{by_id},dog,\nnone.jpg,cat,\ntwice.jpg,cat,\n"
    done = world.imported(csv.encode(), file_name="labels.csv")
    assert world.labels() == {"a.jpg": "cat", "b.jpg": "dog"}
    assert world.images()["a.jpg"].split == "val"
    found = [(each["line"], each["code"]) for each in world.report(done)]
    assert sorted(found) == [(3, "image-missing"), (4, "ambiguous-file-name")]


def _coco(*boxes: tuple[str, list[float]]) -> str:
    names = sorted({name for name, _ in boxes})
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}],
            "categories": [{"id": place, "name": name} for place, name in enumerate(names)],
            "annotations": [
                {"id": place, "image_id": 1, "category_id": names.index(name), "bbox": box}
                for place, (name, box) in enumerate(boxes)
            ],
        }
    )


def test_boxes_come_in_pixels_of_the_image():
    """A detection project gets boxes in pixels, cut at the edge where rounding made them overstep."""
    world = World("detection")
    yolo = "0 0.5 0.5 0.5 0.5\n"
    world.imported(
        {"data.yaml": "names: [cat]\ntrain: images\n", "images/a.jpg": picture(1), "labels/a.txt": yolo}
    )
    assert world.labels() == {"a.jpg": [{"label": "cat", "box": [2, 1.5, 4, 3]}]}
    again = World("detection")
    done = again.imported({"a.json": _coco(("cat", [-0.5, 0, 9, 6])), "a.jpg": picture(1)})
    assert again.labels() == {"a.jpg": [{"label": "cat", "box": [0, 0, 8, 6]}]}
    assert again.report(done) == []


def test_a_box_outside_its_image_is_reported():
    """A box that leaves the image by over a pixel isn't stored, and its place is named."""
    world = World("detection")
    boxes = ("cat", [0, 0, 1, 1]), ("cat", [0, 0, 10, 6])
    done = world.imported({"a.json": _coco(*boxes), "a.jpg": picture(1)})
    assert world.labels() == {}
    [problem] = world.report(done)
    assert (problem["file"], problem["code"]) == ("a.json", "box-outside-image")
    assert problem["message"].startswith("box 2 (0, 0, 10, 6)")


def test_boxes_that_no_row_holds_are_reported():
    """An image with more boxes than a row has room for comes without a label; the others have theirs."""
    world = World("detection")
    many = "".join(f"0 0.5 0.5 0.{n:05} 0.5\n" for n in range(10_001, 16_000))
    yolo = {"data.yaml": f"names: ['{'c' * 100}']\ntrain: images\n", "labels/a.txt": many}
    few = {"images/b.jpg": picture(2), "labels/b.txt": "0 0.5 0.5 0.5 0.5\n"}
    done = world.imported(yolo | {"images/a.jpg": picture(1)} | few)
    assert list(world.labels()) == ["b.jpg"]
    assert [each["code"] for each in world.report(done)] == ["too-many-boxes"]


@pytest.mark.parametrize(
    ("task_type", "archive", "label", "codes"),
    [
        ("classification", {"a.json": _coco(("cat", [0, 0, 1, 1]), ("cat", [1, 1, 1, 1]))}, "cat", []),
        (
            "classification",
            {"a.json": _coco(("cat", [0, 0, 1, 1]), ("dog", [1, 1, 1, 1]))},
            None,
            ["several-classes"],
        ),
        ("detection", {"labels.csv": "a.jpg,cat\n"}, None, ["no-boxes"]),
    ],
)
def test_labels_of_the_other_task(task_type, archive, label, codes):
    """Boxes of one class are a class; several classes, or a class where boxes are wanted, are a problem."""
    world = World(task_type)
    done = world.imported(archive | {"a.jpg": picture(1)})
    assert world.labels().get("a.jpg") == label
    assert _codes(world, done) == codes
    assert list(world.images()) == ["a.jpg"]


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (b"no archive at all", "archive-not-zip"),
        (zipped({"a.jpg": picture(1), "../b.jpg": picture(2)}), "archive-unsafe-path"),
        (zipped({"notes.txt": "hello"}), "format-not-recognised"),
    ],
)
def test_an_archive_that_cannot_be_taken_fails(world, archive, code):
    """A hostile or unreadable archive ends the import with the reason, and nothing of it is taken."""
    transfer = world.add_import(archive)
    failure = world.run(transfer)
    assert failure.code == code
    seen = world.seen(transfer)
    assert (seen.status, seen.failure_reason["code"]) == (TransferStatus.FAILED, code)
    assert seen.ended_at
    assert world.images() == {}


@pytest.mark.parametrize("format_name", ["csv", "coco", "voc", "manifest", "darkroom"])
def test_an_archive_without_what_was_said_to_be_in_it_fails(world, format_name):
    """Nothing is imported without labels, and without a word, for a format that it isn't in."""
    transfer = world.add_import({"cat/a.jpg": picture(1), "notes.txt": "hello"}, format=format_name)
    failure = world.run(transfer)
    assert failure.code == "annotations-missing"
    assert format_name in failure.message
    assert not world.images()


def test_what_nobody_foresaw_is_told(world, caplog):
    """A mistake in the worker ends the import with a sentence, and the log has the rest."""
    transfer = world.add_import({"cat/a.jpg": picture(1)})
    failure = world.run(transfer, replace(world.ports, inspector=None))
    assert failure.code == "internal-error"
    assert "AttributeError" in failure.message
    assert world.seen(transfer).failure_reason == failure.to_json()
    assert "Traceback" in caplog.text


def test_a_report_has_an_end(world):
    """Every problem is counted, the first 100,000 have a line, and the last line says how many have none."""
    rows = "a.jpg,cat\n" + "none\n" * 100_010
    done = world.imported({"labels.csv": rows, "a.jpg": picture(1)})
    report = world.report(done)
    assert len(report) == 100_001
    assert done.problems == {"too-few-columns": 100_010}
    assert (report[-1]["code"], report[-1]["message"][:3]) == ("report-cut", "10 ")


def test_a_damaged_member_is_rejected_alone(world):
    """A file whose bytes don't match the archive's checksum is rejected, and its neighbours come."""
    content = zipped({"cat/a.jpg": b"image of a cat", "cat/b.jpg": b"image of a dog"})
    done = world.imported(content.replace(b"image of a cat", b"image of a cow"))
    assert list(world.images()) == ["b.jpg"]
    assert done.counts["rejected"] == 1


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


def _sha256(content: bytes) -> str:
    return sha256(content).hexdigest()
