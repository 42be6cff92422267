"""What a project has."""

from chalicelib.contract.records import ImageStatus
from tests.support import make_image, make_project, new_id
from tests.unit.services.data_world import PROJECT, DataWorld, image_id

BOX = [0, 0, 1, 1]


def _summary(world: DataWorld, task_type: str = "classification"):
    return world.services.overview.summary(make_project(project_id=PROJECT, task_type=task_type))


def test_the_summary_counts_accepted_images_and_their_labels():
    """Refused, duplicate and deleted files are counted apart, and a label without an image never."""
    world = DataWorld()
    for number in range(13):
        split = ("train", "val", None)[number % 3]
        label = None if number == 12 else "dog" if number == 11 else "cat"
        world.image(number, label, split=split, width=8 + number, height=60 - number)
    world.ports.images.delete(world.image(13, "cat"), 0)
    for number in (13, 14):
        world.label(number, "ghost")
    for status in (ImageStatus.DUPLICATE, ImageStatus.REJECTED, ImageStatus.REJECTED):
        world.ports.images.record(make_image(PROJECT, image_id=new_id(), status=status))
    found = _summary(world)
    tally = found.tally
    assert (tally.images, tally.labelled, tally.duplicates, tally.rejected) == (13, 12, 1, 2)
    assert tally.size_bytes == 13 * 5
    assert (tally.classes, found.imbalance) == ({"cat": 11, "dog": 1}, 11)
    assert tally.splits == {"train": 5, "val": 4, "none": 4}
    assert tally.labelled_splits == {"train": 4, "val": 4}
    assert (tally.width.min, tally.width.max, tally.height.min, tally.height.max) == (8, 20, 48, 60)
    assert len(found.readiness.warnings) == 3
    assert not found.readiness.ready


def test_boxes_and_negatives_are_counted():
    """An image counts once a class, an object each time, and an empty list is a negative."""
    world = DataWorld()
    world.image(1, [{"label": name, "box": BOX} for name in ("cat", "cat", "dog")])
    world.image(2, [{"label": "cat", "box": BOX}])
    world.image(3, [])
    tally = _summary(world, "detection").tally
    assert (tally.labelled, tally.negatives) == (3, 1)
    assert (tally.classes, tally.objects) == ({"cat": 2, "dog": 1}, {"cat": 3, "dog": 1})


def test_images_that_look_alike_are_grouped():
    """Two accepted images with hashes a bit apart are near-duplicates; a deleted one isn't."""
    world = DataWorld()
    for number in range(3):
        world.image(number, perceptual_hash=f"{2**100 - 1 - 2**number:032x}")
    world.ports.images.delete(world.ports.images.get(PROJECT, image_id(2)), 0)
    found = _summary(world).near_duplicates
    assert (found.images, found.groups, found.examples) == (2, 1, [[image_id(0), image_id(1)]])


def test_an_empty_project_has_an_empty_summary():
    """No images are no reason to warn, but training needs some."""
    found = _summary(DataWorld())
    assert (found.tally.images, found.tally.classes, found.imbalance) == (0, {}, None)
    assert (found.tally.width.min, found.near_duplicates.groups) == (None, 0)
    assert found.readiness.warnings == []
    assert not found.readiness.ready


def test_a_project_that_can_be_trained_on_is_ready():
    """Two classes of two images each have no problem."""
    world = DataWorld()
    for number in range(4):
        world.image(number, "ab"[number % 2])
    assert _summary(world).readiness.ready
