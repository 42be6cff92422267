"""An import: what is taken in, and what is reported."""

import json
from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.datasets import TransferStatus
from chalicelib.contract.errors import ConflictError
from chalicelib.services.names import MAX_FILE_NAME
from tests.support import make_image
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
    world.api.images.accept(replace(original, sha256=sha256(picture(1)).hexdigest()))
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
