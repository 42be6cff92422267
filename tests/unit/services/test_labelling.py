"""Labels by image id or file name."""

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.records import ImageStatus
from tests.fakes import fake_ports
from tests.support import make_image, make_project, new_id

COMPOSED, DECOMPOSED = "\u00e9.png", "e\u0301.png"


class World:
    def __init__(self) -> None:
        self.ports = fake_ports()
        self.services = assemble(self.ports)

    def image(self, **changes) -> str:
        image = make_image("P", **changes)
        assert self.ports.images.accept(image) is None
        return image.image_id

    def store(self, labels: dict, task_type: str = "classification"):
        return self.services.labelling.store(make_project(project_id="P", task_type=task_type), labels)

    def stored(self) -> dict:
        return {each.image_id: each.label for each in self.ports.labels.all("P")}


@pytest.fixture
def world() -> World:
    return World()


def _codes(report) -> dict:
    return {each.key: each.code for each in report.failures}


def test_labels_by_id_and_by_name(world):
    """Either key labels its image, and the report counts the images a class."""
    first, second = world.image(file_name="a.png"), world.image()
    report = world.store({"a.png": "cat", second: "dog"})
    assert world.stored() == {first: "cat", second: "dog"}
    assert (report.updated, report.failures, report.classes) == (2, [], {"cat": 1, "dog": 1})


def test_labelling_again_replaces(world):
    """The newest label counts."""
    image_id = world.image()
    world.store({image_id: "cat"})
    world.store({image_id: "dog"})
    assert world.stored() == {image_id: "dog"}


@pytest.mark.parametrize("kept", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("key", [COMPOSED, DECOMPOSED])
def test_accents_are_the_same_however_they_are_typed(world, kept, key):
    """A file name and a class match in composed and in decomposed form."""
    world.services.direct_uploads.store("P", [_sent(kept)])
    report = world.store({key: "cafe\u0301"})
    assert _codes(report) == {}
    assert report.classes == {"caf\u00e9": 1}


def _sent(name: str):
    from chalicelib.services.direct_uploads import SentFile

    return SentFile(name, b"image")


def test_an_alias_labels_the_image(world):
    """A name under which the same bytes were sent again finds the image."""
    image_id = world.image(file_name="a.png")
    world.ports.images.add_alias("P", image_id, "b.png")
    world.store({"b.png": "cat"})
    assert world.stored() == {image_id: "cat"}


def test_an_id_goes_before_a_name(world):
    """A key that is an image's id is that image, even if another one is called so."""
    image_id = world.image()
    world.image(file_name=image_id)
    world.store({image_id: "cat"})
    assert world.stored() == {image_id: "cat"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "bad-class"),
        ("  ", "bad-class"),
        ("a" * 101, "bad-class"),
        ("a\x00b", "bad-class"),
        ("\ud800", "bad-class"),
        (None, "not-a-class"),
        (5, "not-a-class"),
        (["cat"], "not-a-class"),
        ({"label": "cat"}, "not-a-class"),
    ],
)
def test_a_bad_class_is_reported_and_the_rest_stored(world, value, code):
    """Each kind of bad class has its code by its key, and the good label beside it is stored."""
    bad, good = world.image(), world.image()
    report = world.store({bad: value, good: " cat "})
    assert _codes(report) == {bad: code}
    assert world.stored() == {good: "cat"}
    assert report.updated == 1


def test_unknown_images_are_reported(world):
    """Unknown names and ids, and images that were refused or deleted, are no images to label."""
    refused = make_image("P", status=ImageStatus.REJECTED, sha256=None)
    world.ports.images.record(refused)
    deleted = world.image()
    world.services.deletion.one("P", deleted)
    keys = ["none.png", new_id(), refused.image_id, deleted, "", "\ud800"]
    report = world.store(dict.fromkeys(keys, "cat"))
    assert _codes(report) == dict.fromkeys(keys, "unknown-image")
    assert (report.updated, world.stored()) == (0, {})


def test_an_ambiguous_name_is_reported_with_the_ids(world):
    """A name that two images have labels neither, and names both."""
    ids = [world.image(file_name="a.png") for _ in range(2)]
    [failure] = world.store({"a.png": "cat"}).failures
    assert failure.code == "ambiguous-file-name"
    assert all(each in failure.message for each in ids)


def test_conflicting_keys_of_one_image_are_reported(world):
    """Two keys of one image may agree; the second that disagrees is refused."""
    image_id = world.image(file_name="a.png")
    assert world.store({"a.png": "cat", image_id: "cat"}).updated == 2
    report = world.store({"a.png": "cat", image_id: "dog"})
    assert _codes(report) == {image_id: "conflicting-label"}
    assert world.stored() == {image_id: "cat"}


def test_labels_of_another_project_stay_apart(world):
    """An image of another project can't be labelled through this one."""
    other = make_image("other")
    world.ports.images.accept(other)
    assert _codes(world.store({other.image_id: "cat"})) == {other.image_id: "unknown-image"}


@pytest.mark.parametrize(
    "box", [[0, 0, 8, 6], [0.5, 0.5, 1, 1.5], [7, 5, 1, 1]], ids=["whole image", "fractions", "last pixel"]
)
def test_boxes_within_the_image_are_stored(world, box):
    """A box up to the image's very edge is stored with its class, composed."""
    image_id = world.image()
    world.store({image_id: [{"label": "e\u0301", "box": box}]}, "detection")
    assert world.stored() == {image_id: [{"label": "\u00e9", "box": box}]}


def test_no_objects_is_a_label(world):
    """An empty list says that the image shows nothing."""
    image_id = world.image()
    report = world.store({image_id: []}, "detection")
    assert (world.stored(), report.classes) == ({image_id: []}, {})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("cat", "not-boxes"),
        ({"label": "cat"}, "not-boxes"),
        (["cat"], "not-boxes"),
        ([{"label": "cat"}], "not-boxes"),
        ([{"label": "cat", "box": [0, 0, 1, 1], "x": 1}], "not-boxes"),
        ([{"label": "cat", "box": "0011"}], "bad-box"),
        ([{"label": "cat", "box": [0, 0, 1]}], "bad-box"),
        ([{"label": "cat", "box": [0, 0, 1, "1"]}], "bad-box"),
        ([{"label": "cat", "box": [0, 0, True, 1]}], "bad-box"),
        ([{"label": "cat", "box": [0, 0, 0, 1]}], "bad-box"),
        ([{"label": "cat", "box": [0, 0, 1, -1]}], "bad-box"),
        ([{"label": "cat", "box": [-1, 0, 2, 1]}], "box-outside-image"),
        ([{"label": "cat", "box": [0, 0, 9, 1]}], "box-outside-image"),
        ([{"label": "cat", "box": [0, 3, 1, 4]}], "box-outside-image"),
        ([{"label": "cat", "box": [0, 0, float("inf"), 1]}], "box-outside-image"),
        ([{"label": "cat", "box": [10**400, 0, 1, 1]}], "box-outside-image"),
        ([{"label": "cat", "box": [10**400, 0, 1.5, 1]}], "box-outside-image"),
        ([{"label": "cat", "box": [0, 0.5, 1, 10**400]}], "box-outside-image"),
        ([{"label": "cat", "box": [0, 0, 0.123456789, 1]}] * 10_000, "too-many-boxes"),
        ([{"label": "", "box": [0, 0, 1, 1]}], "bad-class"),
        ([{"label": 5, "box": [0, 0, 1, 1]}], "not-a-class"),
    ],
)
def test_bad_boxes_are_reported(world, value, code):
    """Each kind of bad box has its code, and nothing of its label is stored."""
    bad, good = world.image(), world.image()
    report = world.store({bad: value, good: []}, "detection")
    assert _codes(report) == {bad: code}
    assert world.stored() == {good: []}
