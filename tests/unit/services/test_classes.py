"""Renaming and merging classes."""

import pytest

from chalicelib.contract.errors import UnavailableError, UnprocessableError
from chalicelib.services import classes
from tests.fakes import FakeLabels
from tests.support import make_label
from tests.unit.services.data_world import PROJECT, DataWorld, image_id


@pytest.fixture
def world() -> DataWorld:
    return DataWorld()


def _named(world: DataWorld) -> list:
    return list(world.labels().values())


def test_classes_are_renamed_and_merged_at_once(world):
    """Two classes become one, another stays, and the answer counts what was changed."""
    for number, label in enumerate(("kat", "kitten", "cat", "dog")):
        world.image(number, label)
    found = world.services.class_names.rename(PROJECT, {"kat": "cat", "kitten": " cat ", "bird": "x"})
    assert (found.updated, found.classes, found.cursor) == (2, {"cat": 2}, None)
    assert _named(world) == ["cat", "cat", "cat", "dog"]


def test_two_names_are_exchanged(world):
    """The mapping is applied to what was there, never to its own outcome."""
    for number, label in enumerate(("a", "b", "c")):
        world.image(number, label)
    world.services.class_names.rename(PROJECT, {"a": "b", "b": "a", "c": "c"})
    assert _named(world) == ["b", "a", "c"]


def test_every_box_is_renamed(world):
    """Boxes keep their places, and an image counts once for each of its new classes."""
    boxes = [{"label": name, "box": [0, 0, 1, 1]} for name in ("kat", "dog", "kitten")]
    world.image(1, boxes)
    world.image(2, [])
    found = world.services.class_names.rename(PROJECT, {"kat": "cat", "kitten": "cat"})
    assert (found.updated, found.classes) == (1, {"cat": 1, "dog": 1})
    renamed = [{**each, "label": name} for each, name in zip(boxes, ("cat", "dog", "cat"), strict=True)]
    assert _named(world) == [renamed, []]


def test_an_accent_is_found_however_it_is_typed(world):
    """A class is found and named in composed form."""
    world.image(1, "\u00e9")
    world.services.class_names.rename(PROJECT, {"e\u0301": "o\u0301"})
    assert _named(world) == ["\u00f3"]


def test_names_that_are_no_classes_are_refused(world):
    """Each bad name is pointed at, and nothing is renamed."""
    world.image(1, "a")
    with pytest.raises(UnprocessableError) as raised:
        world.services.class_names.rename(PROJECT, {"a": "b", "b/~": "", "c": "x" * 101, "d": "\n"})
    assert [each.pointer for each in raised.value.errors] == ["/renames/b~1~0", "/renames/c", "/renames/d"]
    assert _named(world) == ["a"]


def test_a_class_gets_one_new_name(world):
    """Two forms of Unicode of one class may not get two names, and nothing is renamed."""
    world.image(1, "\u00e9")
    with pytest.raises(UnprocessableError) as raised:
        world.services.class_names.rename(PROJECT, {"\u00e9": "b", "e\u0301": "c"})
    assert [each.pointer for each in raised.value.errors] == ["/renames/e\u0301"]
    assert _named(world) == ["\u00e9"]


class Contested(FakeLabels):
    """Somebody else labels an image just before each of our first `times` writes."""

    def __init__(self, label: str, times: int) -> None:
        super().__init__()
        self.label = label
        self.times = times

    def replace(self, changes):
        if self.times:
            self.times -= 1
            self.put([make_label(PROJECT, image_id(1), f"{self.label}{self.times or ''}")])
        return super().replace(changes)


@pytest.mark.parametrize(("theirs", "outcome", "updated"), [("dog", "dog", 1), ("kitten", "cat", 2)])
def test_a_label_of_that_very_moment_is_not_lost(theirs, outcome, updated):
    """A label that changed meanwhile is read again: renamed if it still is to be, else left alone."""
    world = DataWorld(labels=Contested(theirs, 1))
    world.image(1, "kat")
    world.image(2, "kat")
    found = world.services.class_names.rename(PROJECT, {"kat": "cat", "kitten": "cat"})
    assert (found.updated, found.classes) == (updated, {"cat": updated})
    assert _named(world) == [outcome, "cat"]


def test_labels_that_never_rest_are_an_error():
    """A label that changes before every write ends in an error that says to try again."""
    world = DataWorld(labels=Contested("kat", 99))
    world.image(1, "kat0")
    with pytest.raises(UnavailableError):
        world.services.class_names.rename(PROJECT, {f"kat{n}": "cat" for n in range(99)})


def test_a_deleted_label_does_not_come_back(world):
    """A label that went with its image meanwhile stays gone."""

    class Deleting(FakeLabels):
        def replace(self, changes):
            self.rows.clear()
            return super().replace(changes)

    world = DataWorld(labels=Deleting())
    world.image(1, "kat")
    assert world.services.class_names.rename(PROJECT, {"kat": "cat"}).updated == 0
    assert world.labels() == {}


def test_many_labels_are_renamed_in_several_requests(world, monkeypatch):
    """With a cursor even an exchange of names goes on where it stopped."""
    monkeypatch.setattr(classes, "MAX_RENAMED", 2)
    for number in range(5):
        world.image(number, "ab"[number % 2])
    counts, cursor = [], None
    while True:
        found = world.services.class_names.rename(PROJECT, {"a": "b", "b": "a"}, cursor)
        counts.append(found.updated)
        cursor = found.cursor
        if cursor is None:
            break
    assert counts == [2, 2, 1]
    assert _named(world) == ["b", "a", "b", "a", "b"]
