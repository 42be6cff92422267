"""Deleting images by id and by filter."""

from contextlib import suppress

import pytest

from chalicelib.contract.errors import ConflictError, NotFoundError, UnprocessableError
from chalicelib.contract.records import ImageStatus
from chalicelib.services import deletion
from chalicelib.services.filters import Filter
from tests.fakes import FakeImages, FakeLabels, FakeStore
from tests.support import Crash, Crashes, new_id
from tests.unit.services.data_world import PROJECT, DataWorld, image_id


class Changing(FakeImages):
    """Images that change between the read and the write."""

    def delete(self, image, expires_at):
        return False


@pytest.fixture
def world() -> DataWorld:
    return DataWorld()


def _accepted(world: DataWorld) -> list[str]:
    rows = world.ports.images.between(PROJECT, "", "~")
    return [each.image_id for each in rows if each.status == ImageStatus.ACCEPTED]


def test_a_deleted_image_is_gone_with_its_objects(world):
    """After a deletion the image is 404, its label and its objects are gone, its bytes may come again."""
    image = world.image(1, "cat")
    world.services.deletion.one(PROJECT, image.image_id)
    assert (world.ports.store.objects, world.labels()) == ({}, {})
    with pytest.raises(NotFoundError):
        world.services.deletion.one(PROJECT, image.image_id)
    world.image(2, sha256=image.sha256)


def test_a_deletion_that_comes_too_late_removes_no_object():
    """An image that changed between the read and the write keeps its objects, and is reported."""
    world = DataWorld(images=Changing(FakeLabels()))
    world.image(1)
    with pytest.raises(ConflictError):
        world.services.deletion.one(PROJECT, image_id(1))
    found = world.services.deletion.by_ids(PROJECT, [image_id(1)])
    assert (found.deleted, [each.code for each in found.failures]) == (0, ["image-changed"])
    assert len(world.ports.store.objects) == 2


def test_ids_are_deleted_and_unknown_ones_named(world):
    """What is there goes, once however often it is named; what isn't there is reported."""
    for number in range(4):
        world.image(number, "cat")
    unknown = new_id()
    ids = [image_id(0), image_id(2), image_id(0), unknown, "sha256#00", "\ud800"]
    found = world.services.deletion.by_ids(PROJECT, ids)
    assert (found.deleted, found.cursor) == (2, None)
    assert {each.image_id: each.code for each in found.failures} == dict.fromkeys(
        [unknown, "sha256#00", "\ud800"], "image-not-found"
    )
    assert _accepted(world) == [image_id(1), image_id(3)]
    assert set(world.labels()) == {image_id(1), image_id(3)}
    assert len(world.ports.store.objects) == 4


def test_a_filter_deletes_what_matches_and_nothing_else(world):
    """Images of the class go, others and their objects stay."""
    for number in range(9):
        world.image(number, "cat" if number % 3 else "dog")
    found = world.services.deletion.by_filter(PROJECT, Filter(label="cat"))
    assert (found.deleted, found.failures, found.cursor) == (6, [], None)
    assert _accepted(world) == list(map(image_id, (0, 3, 6)))
    assert len(world.ports.store.objects) == 6


def test_a_filter_that_says_nothing_is_refused(world):
    """An empty filter deletes nothing and says how everything is deleted."""
    world.image(1)
    with pytest.raises(UnprocessableError) as raised:
        world.services.deletion.by_filter(PROJECT, Filter())
    assert raised.value.code == "empty-filter"
    assert "accepted" in raised.value.hint
    assert len(_accepted(world)) == 1


@pytest.mark.parametrize("follows", [True, False])
def test_more_than_a_request_deletes_is_deleted_by_repeating_it(world, monkeypatch, follows):
    """Sent again, with its cursor or without, the same filter ends with nothing left."""
    monkeypatch.setattr(deletion, "MAX_DELETED", 4)
    monkeypatch.setattr(deletion, "_IMAGES_A_STEP", 2)
    for number in range(11):
        world.image(number)
    counts, cursor = [], None
    while True:
        found = world.services.deletion.by_filter(
            PROJECT, Filter(status=ImageStatus.ACCEPTED), cursor if follows else None
        )
        counts.append(found.deleted)
        cursor = found.cursor
        if cursor is None:
            break
    assert counts == [4, 4, 3]
    assert (_accepted(world), world.ports.store.objects) == ([], {})


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("repeat", ["ids", "filter"])
def test_a_crash_leaves_no_object_that_a_repeat_does_not_remove(monkeypatch, at, after, repeat):
    """Killed at any call, the same ids again, or the tombstones by filter, end at no object."""
    monkeypatch.setattr(deletion, "_IMAGES_A_STEP", 2)
    labels, store, crashes = FakeLabels(), FakeStore(), Crashes(at, after=after)
    images = FakeImages(labels)
    world = DataWorld(labels=labels, images=images, store=store)
    for number in range(5):
        world.image(number, "cat")
    ids = [image_id(number) for number in range(5)]
    dying = DataWorld(labels=labels, images=crashes.wrap(images), store=crashes.wrap(store))
    with suppress(Crash):
        dying.services.deletion.by_ids(PROJECT, ids)
    assert not set(_accepted(world)) - {key.rpartition("/")[2] for key in store.objects}
    if repeat == "ids":
        assert world.services.deletion.by_ids(PROJECT, ids).deleted == 5
    else:
        for status in (ImageStatus.ACCEPTED, ImageStatus.DELETED):
            world.services.deletion.by_filter(PROJECT, Filter(status=status))
    assert (_accepted(world), store.objects, world.labels()) == ([], {}, {})
