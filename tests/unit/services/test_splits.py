"""Keeping images for a split."""

from chalicelib.contract.records import ImageStatus
from tests.fakes import FakeImages, FakeLabels
from tests.support import make_image, new_id
from tests.unit.services.data_world import PROJECT, DataWorld, image_id


def _splits(world: DataWorld) -> list:
    return [each.split for each in world.ports.images.between(PROJECT, "", "~")]


def test_splits_are_set_and_taken_away_by_id_or_name():
    """Either key finds its image; null takes the split away; images that aren't named keep theirs."""
    world = DataWorld()
    for number, split in enumerate((None, "test", "val", "train")):
        world.image(number, file_name=f"{number}.png", split=split)
    report = world.services.splits.store(PROJECT, {"0.png": "train", image_id(1): None, "2.png": "test"})
    assert (report.updated, report.failures) == (3, [])
    assert _splits(world) == ["train", None, "test", "train"]


def test_what_can_not_be_kept_is_reported_by_its_key():
    """Unknown and ambiguous keys, refused images and contradictions are named; the rest is stored."""
    world = DataWorld()
    for number, name in enumerate(("a.png", "b.png", "b.png")):
        world.image(number, file_name=name)
    refused = make_image(PROJECT, image_id=image_id(3), status=ImageStatus.REJECTED)
    world.ports.images.record(refused)
    other = make_image("other")
    world.ports.images.accept(other)
    keys = [image_id(0), "a.png", "b.png", refused.image_id, other.image_id, "none", "\ud800"]
    report = world.services.splits.store(PROJECT, dict.fromkeys(keys, "val") | {"a.png": "test"})
    assert {each.key: each.code for each in report.failures} == {
        "a.png": "conflicting-split",
        "b.png": "ambiguous-file-name",
        refused.image_id: "unknown-image",
        other.image_id: "unknown-image",
        "none": "unknown-image",
        "\ud800": "unknown-image",
    }
    assert report.updated == 1
    assert _splits(world) == ["val", None, None, None]


def test_an_image_that_is_deleted_meanwhile_is_reported():
    """A split that couldn't be stored, since its image had gone, counts as failed."""

    class Deleting(FakeImages):
        def set_splits(self, project_id, splits):
            self.delete_many(self.get_many(project_id, list(splits)).values(), 0)
            return super().set_splits(project_id, splits)

    world = DataWorld(images=Deleting(FakeLabels()))
    world.image(1)
    report = world.services.splits.store(PROJECT, {image_id(1): "val"})
    assert (report.updated, [each.code for each in report.failures]) == (0, ["image-changed"])


def test_an_unknown_project_has_no_images():
    """In an empty project every key is unknown."""
    report = DataWorld().services.splits.store(PROJECT, {new_id(): "val"})
    assert [each.code for each in report.failures] == ["unknown-image"]
