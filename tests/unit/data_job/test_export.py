"""An export: what is in the zip, and what a second attempt makes of the first one's remains."""

from dataclasses import replace
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from chalicelib.contract.datasets import TransferStatus
from chalicelib.contract.objects import image_key
from data_job.formats import SUPPORTED
from data_job.progress import NotOursError
from tests.support import Crash, Crashes, make_image, make_label, new_id
from tests.unit.data_job.world import World, picture

BOXES = [{"label": "cat", "box": [1.25, 2, 3, 4]}, {"label": "a dog, %", "box": [0, 0, 8, 6]}]


def _filled(task_type: str = "classification") -> World:
    """A project of four labelled images, two of them of one name, and one image without a label."""
    world = World(task_type)
    labels = (
        ["cat", "a dog, %", "cat", "cat"] if task_type == "classification" else [BOXES, [], BOXES[:1], []]
    )
    names = ["a.png", "b.png", "sub/a.png", "a.png"]
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        split = ("train", "val", None, "test")[number]
        image = make_image(world.project_id, file_name=name, split=split, image_id=new_id(10**12 + number))
        world.api.images.accept(image)
        world.api.store.put(image_key(world.project_id, image.image_id), picture(number), "image/png")
        world.api.labels.put([make_label(world.project_id, image.image_id, label)])
    world.api.images.accept(make_image(world.project_id, file_name="unlabelled.png"))
    return world


def _content(world: World) -> list[tuple[bytes, str | None, Any]]:
    """What a project holds: an image's bytes, split and label."""
    labels = {each.image_id: each.label for each in world.api.labels.all(world.project_id)}
    store = world.api.store.objects
    return [
        (store[image_key(world.project_id, each.image_id)], each.split, labels[each.image_id])
        for each in world.api.images.rows.values()
        if each.image_id in labels
    ]


def _close(label: Any) -> Any:
    """The same label, with boxes to half a pixel."""
    if isinstance(label, str):
        return label
    return [{"label": each["label"], "box": pytest.approx(each["box"], abs=0.5)} for each in label]


@pytest.mark.parametrize(("format_name", "task_type"), sorted(SUPPORTED))
def test_an_export_imported_again_is_the_same(format_name, task_type):
    """For each format: images, labels, boxes and splits are the same in a project that imports the export."""
    world, other = _filled(task_type), World(task_type)
    done = other.imported(world.exported(format_name))
    # YOLO's layout for classification is that of ImageFolder.
    assert done.format in (format_name, "imagefolder" if task_type == "classification" else format_name)
    assert done.problems == {}
    expected = {content: (split, _close(label)) for content, split, label in _content(world)}
    assert len(expected) == 4
    assert {content: (split, label) for content, split, label in _content(other)} == expected


def test_images_are_stored_and_documents_packed():
    """Images, which are compressed already, are stored as they are; documents are deflated."""
    world = _filled()
    with ZipFile(BytesIO(world.exported("csv"))) as archive:
        kinds = {each.filename.rpartition(".")[2]: each.compress_type for each in archive.infolist()}
        assert kinds == {"csv": ZIP_DEFLATED, "png": ZIP_STORED}
        assert len(archive.namelist()) == 5


def test_the_same_data_is_the_same_zip():
    """Two exports of the same data are equal to the byte."""
    world = _filled()
    assert world.exported("coco") == world.exported("coco")


def test_an_image_whose_object_is_gone_is_reported():
    """A missing image is counted and named in the report, and the others are there."""
    world = _filled()
    lost = world.images()["b.png"].image_id
    world.api.store.delete([image_key(world.project_id, lost)])
    transfer = world.add("export", format="csv")
    assert world.run(transfer) is None
    seen = world.seen(transfer)
    assert seen.counts == {"images": 4, "written": 3, "missing": 1}
    assert seen.result_bytes == len(world.api.store.objects[world.key(transfer, "export.zip")])
    [line] = world.report(transfer)
    assert line["code"] == "image-missing"
    assert lost in line["message"]


def test_a_version_that_is_gone_fails_the_export():
    """An export of a version whose manifest was deleted is over, with the reason."""
    world = _filled()
    transfer = world.add("export", format="csv", version_id=new_id())
    assert world.run(transfer).code == "version-not-found"
    assert world.seen(transfer).status == TransferStatus.FAILED


def test_an_empty_project_gives_an_empty_archive():
    """Nothing labelled is an export of nothing, not a failure."""
    world = World()
    with ZipFile(BytesIO(world.exported("csv"))) as archive:
        assert archive.namelist() == ["labels.csv"]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_makes_no_difference(after):
    """Killed at any of its calls, an export's next attempt gives the same zip."""
    world = _filled()
    expected = world.exported("csv")
    names, at, died = ("transfers", "store", "large_objects", "images"), 0, True
    while died:
        at, died = at + 1, False
        transfer = world.add("export", format="csv")
        crashes = Crashes(at, after=after)
        wrapped = {each: crashes.wrap(getattr(world.ports, each)) for each in names}
        try:
            world.run(transfer, replace(world.ports, **wrapped))
        except Crash:
            died = True
            if not world.seen(transfer).is_over:
                assert world.run(transfer) is None
        assert world.api.store.objects[world.key(transfer, "export.zip")] == expected, f"at call {at}"
    assert at > 8


def test_a_finished_export_is_not_done_again():
    """A job that is started once more for a transfer that is over leaves it alone."""
    world = _filled()
    transfer = world.add("export", format="csv")
    assert world.run(transfer) is None
    seen = world.seen(transfer)
    with pytest.raises(NotOursError):
        world.run(transfer)
    assert world.seen(transfer) == seen
