"""Versions: what they hold, that they never change, and what changed between two."""

import gzip
import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, NotFoundError, UnprocessableError
from chalicelib.contract.manifest import Entry
from chalicelib.contract.objects import version_key
from chalicelib.contract.records import ImageStatus
from chalicelib.services.comparison import compare
from tests.fakes import fake_ports
from tests.support import make_image, make_label, new_id

BOXES = [{"label": "cat", "box": [0, 0, 1, 1]}, {"label": "dog", "box": [1, 1, 2, 2]}]


class World:
    """A project in memory."""

    def __init__(self) -> None:
        self.ports = fake_ports()
        self.project_id = new_id()
        self.versions = assemble(self.ports).versions

    def add(self, label=None, **changes) -> str:
        image = make_image(self.project_id, **changes)
        self.ports.images.rows[self.project_id, image.image_id] = image
        if label is not None:
            self.label(image.image_id, label)
        return image.image_id

    def label(self, image_id: str, label) -> None:
        self.ports.labels.put([make_label(self.project_id, image_id, label)])

    def change(self, image_id: str, **changes) -> None:
        row = self.ports.images.rows[self.project_id, image_id]
        self.ports.images.rows[self.project_id, image_id] = replace(row, **changes)

    def create(self, name: str = "first"):
        return self.versions.create(self.project_id, name, None)

    def lines(self, version) -> bytes:
        return gzip.decompress(self.ports.store.objects[version_key(self.project_id, version.dataset_hash)])


@pytest.fixture
def world() -> World:
    return World()


def test_a_version_holds_accepted_and_labelled_images(world):
    """Neither an unlabelled nor a deleted image is in it, nor a label without its image."""
    image_id = world.add("cat", split="val")
    world.add()
    world.add("dog", status=ImageStatus.DELETED)
    world.label(new_id(), "newt")
    version = world.create()
    [line] = world.lines(version).splitlines()
    assert json.loads(line)["imageId"] == image_id
    assert (version.images, version.classes, version.splits) == (1, {"cat": 1}, {"val": 1})
    assert (version.size_bytes, version.name) == (5, "first")


def test_its_hash_is_that_of_its_lines(world):
    """`gunzip | sha256sum` of the stored object gives the dataset hash."""
    world.add("cat")
    world.add("é")
    version = world.create()
    assert sha256(world.lines(version)).hexdigest() == version.dataset_hash


def test_boxes_count_once_for_each_of_their_classes(world):
    """An image with boxes of two classes is one image of each."""
    world.add(BOXES)
    world.add([])
    version = world.create()
    assert (version.images, version.classes) == (2, {"cat": 1, "dog": 1})


@pytest.mark.parametrize(
    "change",
    [
        lambda world, image_id: world.label(image_id, "dog"),
        lambda world, image_id: world.change(image_id, split="test"),
        lambda world, image_id: world.change(image_id, status=ImageStatus.DELETED),
        lambda world, image_id: world.add("cat"),
    ],
    ids=["label", "split", "deletion", "addition"],
)
def test_other_data_is_another_hash(world, change):
    """Whatever a run could notice changes the hash, and the first version stays as it was."""
    world.add("dog")
    image_id = world.add("cat")
    first = world.create()
    lines = world.lines(first)
    change(world, image_id)
    assert world.create("second").dataset_hash != first.dataset_hash
    assert world.versions.get(world.project_id, first.version_id) == first
    assert world.lines(first) == lines


def test_a_name_is_taken_once(world):
    """In whatever case and however its accents are typed; the data may be the same."""
    world.add("cat")
    first = world.create("Café")
    with pytest.raises(ConflictError) as refused:
        world.create("CAFE\u0301")
    assert refused.value.code == "version-name-taken"
    assert world.create("other").dataset_hash == first.dataset_hash


def test_an_empty_version_is_refused(world):
    """A name for nothing is surely a mistake."""
    world.add()
    with pytest.raises(UnprocessableError) as refused:
        world.create()
    assert refused.value.code == "nothing-labelled"


@pytest.mark.parametrize(("count", "width"), [(3100, 100), (55_000, 5)])
def test_classes_that_no_row_can_hold_are_refused(world, count, width):
    """Labels that are names of single images end with a sentence, not with an error of DynamoDB."""
    for number in range(count):
        world.add(f"{number:0{width}}")
    with pytest.raises(UnprocessableError) as refused:
        world.create()
    assert refused.value.code == "too-many-classes"
    assert not world.ports.store.objects


def test_a_draft_of_the_newest_data_is_that_version(world):
    """Unchanged data gives back the newest version, named or not; an older equal one is not looked for."""
    world.add("cat")
    named = world.create()
    keep = world.versions.keep
    assert keep(world.versions.draft(world.project_id)) == named
    image_id = world.add("dog")
    other = keep(world.versions.draft(world.project_id))
    assert other.name is None
    world.change(image_id, status=ImageStatus.DELETED)
    again = keep(world.versions.draft(world.project_id))
    assert again.dataset_hash == named.dataset_hash
    assert len({each.version_id for each in (named, other, again)}) == 3


@pytest.mark.parametrize("version_id", ["", "current", new_id()])
def test_an_unknown_version_is_not_found(world, version_id):
    """Neither an id that nobody gave out nor what is no id."""
    with pytest.raises(NotFoundError) as refused:
        world.versions.get(world.project_id, version_id)
    assert refused.value.code == "version-not-found"


def test_a_comparison_names_every_kind_of_change(world):
    """Added, removed, relabelled and moved images are told apart, against the present data or a version."""
    kept, relabelled, moved, removed = (world.add("cat") for _ in range(4))
    first = world.create()
    world.label(relabelled, "dog")
    world.change(moved, split="test")
    world.change(removed, status=ImageStatus.DELETED)
    added = world.add("newt")
    second = world.create("second")
    for other in ("current", second.version_id):
        found = world.versions.compare(world.project_id, first.version_id, other)
        assert found.counts == {"added": 1, "removed": 1, "relabelled": 1, "moved": 1, "unchanged": 1}
        kinds = {(each.after or each.before).image_id: each.kind for each in found.changes}
        assert kinds == {relabelled: "relabelled", moved: "moved", removed: "removed", added: "added"}
        assert kept not in kinds
        assert found.omitted == 0


def test_a_comparison_needs_the_manifest(world):
    """Where the object is gone, the answer says so."""
    world.add("cat")
    version = world.create()
    world.ports.store.objects.clear()
    with pytest.raises(ConflictError) as refused:
        world.versions.compare(world.project_id, version.version_id, "current")
    assert refused.value.code == "manifest-gone"


def entry(number: int, label: str) -> Entry:
    own = {"sha256": "", "size_bytes": 1, "width": 1, "height": 1}
    return Entry(image_id=f"{number:026}", file_name=f"{number}.png", label=label, **own)


LABELLED = st.dictionaries(st.integers(0, 30), st.sampled_from("ab"))


@given(LABELLED, LABELLED)
def test_a_comparison_adds_up(before, after):
    """Of any two manifests the counts are those that sets give."""
    old, new = ([entry(*each) for each in sorted(labels.items())] for labels in (before, after))
    found = compare(old, new)
    both = before.keys() & after.keys()
    assert found.counts["removed"] == len(before.keys() - after.keys())
    assert found.counts["added"] == len(after.keys() - before.keys())
    assert found.counts["relabelled"] == sum(before[each] != after[each] for each in both)
    assert found.counts["unchanged"] == sum(before[each] == after[each] for each in both)
    assert len(found.changes) == found.counts.total() - found.counts["unchanged"]


def test_a_comparison_names_a_thousand_changes():
    """Of more, the first thousand are named and the rest is counted."""
    found = compare([], [entry(number, "a") for number in range(1200)])
    assert (found.counts["added"], len(found.changes), found.omitted) == (1200, 1000, 200)
    assert found.changes[-1].after == entry(999, "a")


def test_a_comparison_names_no_more_boxes_than_an_answer_can_carry():
    """Dense labels end the list earlier; the counts are whole."""
    dense = [{"label": "cat", "box": [0, 0, 1, 1]}] * 9000
    after = [replace(entry(number, "a"), label=dense) for number in range(4)] + [entry(4, "a")]
    found = compare([], after)
    assert (found.counts["added"], len(found.changes), found.omitted) == (5, 2, 3)
