"""Images and uploads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chalicelib.contract.ids import FIRST, LAST
from chalicelib.contract.records import INGEST_FAILED, ImageStatus, Upload
from chalicelib.contract.tables import UPLOAD_MARKER
from chalicelib.services.data_ports import MAX_ALIASES, Original
from tests.support import NOW, make_image, make_label, new_id

EXPIRES = 2_000_000_000


def _refused(project_id: str, code: str, **changes):
    reason = {"code": code, "message": "no"}
    return make_image(project_id, status=ImageStatus.REJECTED, sha256=None, reject_reason=reason, **changes)


def _several(ports, project_id: str, count: int) -> list:
    made = [make_image(project_id, image_id=new_id(10**12 + number)) for number in range(count)]
    for each in made:
        assert ports.images.accept(each) is None
    return made


def test_an_accepted_image_is_kept_whole(ports, project_id):
    """Accepting says None, and every field of the row comes back."""
    [image] = _several(ports, project_id, 1)
    assert ports.images.get(project_id, image.image_id) == image
    known = ports.images.find_by_sha256(project_id, [image.sha256, "0" * 64])
    assert known == {image.sha256: Original(image.image_id, image.file_name)}


def test_accepting_again_names_the_image_itself(ports, project_id):
    """A repeat of an acceptance answers with the image's own id and changes nothing."""
    [image] = _several(ports, project_id, 1)
    assert ports.images.accept(replace(image, file_name="other.png")) == image.image_id
    assert ports.images.get(project_id, image.image_id) == image


def test_known_bytes_are_accepted_once_a_project(ports, project_id):
    """The same bytes under another id name the first image; another project takes them."""
    [image] = _several(ports, project_id, 1)
    copy = replace(image, image_id=new_id())
    assert ports.images.accept(copy) == image.image_id
    assert ports.images.get(project_id, copy.image_id) is None
    assert ports.images.accept(replace(copy, project_id=new_id())) is None


def test_a_row_is_written_once(ports, project_id):
    """What became of a file stays: neither a later record nor an acceptance replaces it."""
    refused = _refused(project_id, "undecodable")
    ports.images.record(refused)
    ports.images.record(replace(refused, reject_reason={"code": "other", "message": ""}))
    assert ports.images.accept(make_image(project_id, image_id=refused.image_id)) == refused.image_id
    assert ports.images.get(project_id, refused.image_id) == refused
    assert ports.images.find_by_sha256(project_id, [make_image(project_id).sha256]) == {}


def test_a_failure_of_our_own_may_be_replaced(ports, project_id):
    """A file that could not be processed is replaced by another try, whatever that brings."""
    failed = _refused(project_id, INGEST_FAILED)
    ports.images.record(failed)
    refused = _refused(project_id, "undecodable", image_id=failed.image_id)
    ports.images.record(refused)
    assert ports.images.get(project_id, failed.image_id) == refused
    again = _refused(project_id, INGEST_FAILED)
    ports.images.record(again)
    image = make_image(project_id, image_id=again.image_id)
    assert ports.images.accept(image) is None
    assert ports.images.get(project_id, again.image_id) == image


def test_aliases_are_further_names_of_accepted_images(ports, project_id):
    """A name is noted once, never the image's own, and only on an image that is there."""
    [image] = _several(ports, project_id, 1)
    for name in ("b.png", "b.png", image.file_name, "é+/%.png"):
        ports.images.add_alias(project_id, image.image_id, name)
    assert ports.images.get(project_id, image.image_id).aliases == {"b.png", "é+/%.png"}
    [known] = ports.images.known(project_id)
    assert sorted(known.file_names) == sorted((image.file_name, "b.png", "é+/%.png"))
    unknown = new_id()
    ports.images.add_alias(project_id, unknown, "b.png")
    assert ports.images.get(project_id, unknown) is None


def test_further_names_stay_within_a_row(ports, project_id):
    """Of an image that comes under ever new names the first are noted; more than a row holds are not."""
    names = frozenset(f"{number}.png" for number in range(MAX_ALIASES))
    image = make_image(project_id, aliases=names)
    assert ports.images.accept(image) is None
    ports.images.add_alias(project_id, image.image_id, "one more.png")
    assert ports.images.get(project_id, image.image_id).aliases == names


def test_a_deleted_image_leaves_a_tombstone(ports, project_id):
    """Deleting removes the label and the mark as known bytes, and the row can't come back."""
    [image] = _several(ports, project_id, 1)
    ports.labels.put([make_label(project_id, image.image_id)])
    assert ports.images.delete(image, EXPIRES)
    tombstone = ports.images.get(project_id, image.image_id)
    assert (tombstone.status, tombstone.expires_at) == (ImageStatus.DELETED, EXPIRES)
    assert tombstone.sha256 is None
    assert list(ports.labels.all(project_id)) == []
    assert ports.images.accept(image) == image.image_id
    ports.images.add_alias(project_id, image.image_id, "b.png")
    assert ports.images.get(project_id, image.image_id) == tombstone
    assert ports.images.accept(make_image(project_id, sha256=image.sha256)) is None


@pytest.mark.parametrize("reason", ["undecodable", INGEST_FAILED])
def test_a_deleted_refusal_stays_one(ports, project_id, reason):
    """The tombstone of a refused file says that it was refused, and nothing replaces it."""
    refused = _refused(project_id, reason)
    ports.images.record(refused)
    assert ports.images.delete(refused, EXPIRES)
    tombstone = ports.images.get(project_id, refused.image_id)
    assert tombstone.reject_reason["code"] == "deleted"
    assert ports.images.accept(make_image(project_id, image_id=refused.image_id)) == refused.image_id


def test_a_late_deletion_takes_nothing_of_others(ports, project_id):
    """Deleting what was deleted before keeps the mark of an image with the same bytes since."""
    [image] = _several(ports, project_id, 1)
    assert ports.images.delete(image, EXPIRES)
    successor = make_image(project_id, sha256=image.sha256)
    assert ports.images.accept(successor) is None
    assert not ports.images.delete(image, EXPIRES)
    known = ports.images.find_by_sha256(project_id, [image.sha256])
    assert known == {image.sha256: Original(successor.image_id, successor.file_name)}


def test_a_deletion_does_not_hold_where_the_row_has_changed(ports, project_id):
    """A failed file that another try made an image is not deleted as the failure it was."""
    failed = _refused(project_id, INGEST_FAILED)
    ports.images.record(failed)
    image = make_image(project_id, image_id=failed.image_id)
    ports.images.accept(image)
    assert not ports.images.delete(failed, EXPIRES)
    assert ports.images.get(project_id, image.image_id) == image
    assert not ports.images.delete(make_image(project_id), EXPIRES)


def test_an_accepted_image_is_kept_for_a_split(ports, project_id):
    """A split is set, changed and taken away; what isn't accepted has none, and no row is made."""
    first, second = _several(ports, project_id, 2)
    for split in ("train", "val", None, "test"):
        assert list(ports.images.set_splits(project_id, {first.image_id: split})) == [True]
        assert ports.images.get(project_id, first.image_id) == replace(first, split=split)
    ports.images.delete(second, EXPIRES)
    unknown = new_id()
    held = ports.images.set_splits(project_id, {second.image_id: "val", unknown: None})
    assert list(held) == [False, False]
    assert ports.images.get(project_id, unknown) is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_the_first_of_a_range_are_read(ports, project_id, size):
    """A limit ends a range after so many rows, of whatever status, and never shows a marker."""
    made = _several(ports, project_id, 7)
    ports.images.delete(made[3], EXPIRES)
    found = ports.images.between(project_id, made[1].image_id, LAST, size)
    assert [each.image_id for each in found] == [each.image_id for each in made[1:][:size]]


def test_many_images_are_read_at_once(ports, project_id):
    """Of more ids than one call takes, those that there are come back with their rows."""
    made = _several(ports, project_id, 3)
    ids = [new_id() for _ in range(110)]
    found = ports.images.get_many(project_id, [*ids, *(each.image_id for each in made)])
    assert found == {each.image_id: each for each in made}
    assert ports.images.get_many(project_id, []) == {}


def test_many_splits_are_stored_but_for_images_that_are_gone(ports, project_id):
    """Of more images than one call takes, those that are accepted get their split; the others are told."""
    made = _several(ports, project_id, 110)
    ports.images.delete(made[7], EXPIRES)
    splits = {each.image_id: (None, "val")[number % 2] for number, each in enumerate(made)}
    held = ports.images.set_splits(project_id, splits)
    assert [number for number, holds in enumerate(held) if not holds] == [7]
    stored = {each.image_id: each.split for each in ports.images.between(project_id, FIRST, LAST)}
    assert stored == splits | {made[7].image_id: None}
    assert list(ports.images.set_splits(project_id, {})) == []


def test_many_images_are_deleted_but_for_those_that_have_changed(ports, project_id):
    """One image that changed stops nobody else's deletion; labels and marks go with the others."""
    made = _several(ports, project_id, 70)
    ports.labels.put([make_label(project_id, each.image_id) for each in made])
    changed = replace(made[40], status=ImageStatus.DUPLICATE)
    held = ports.images.delete_many([changed if each == made[40] else each for each in made], EXPIRES)
    assert [number for number, holds in enumerate(held) if not holds] == [40]
    assert ports.images.get(project_id, made[40].image_id) == made[40]
    assert [each.image_id for each in ports.labels.all(project_id)] == [made[40].image_id]
    assert list(ports.images.find_by_sha256(project_id, [each.sha256 for each in made])) == [made[40].sha256]
    rows = ports.images.between(project_id, FIRST, LAST)
    assert sum(each.status == ImageStatus.DELETED for each in rows) == 69


def test_a_range_includes_its_ends_and_every_status(ports, project_id):
    """Between two ids stand both of them and all rows of images, but no marker."""
    made = _several(ports, project_id, 4)
    ports.images.delete(made[1], EXPIRES)
    found = ports.images.between(project_id, made[0].image_id, made[2].image_id)
    assert [each.image_id for each in found] == [each.image_id for each in made[:3]]
    assert len(list(ports.images.between(project_id, FIRST, LAST))) == 4


def test_known_images_are_the_accepted_ones(ports, project_id):
    """Labels see accepted images only, with their sizes."""
    first, second = _several(ports, project_id, 2)
    ports.images.record(_refused(project_id, "undecodable"))
    ports.images.delete(first, EXPIRES)
    [known] = ports.images.known(project_id)
    assert (known.image_id, known.file_names) == (second.image_id, (second.file_name,))
    assert (known.width, known.height) == (8, 6)


def test_an_upload_keeps_its_names(ports, project_id):
    """An upload comes back with each part of its names, and is no image."""
    upload_id = new_id()
    upload = Upload(
        project_id=project_id,
        image_id=UPLOAD_MARKER + upload_id,
        upload_id=upload_id,
        expected=2,
        parts=2,
        created_at=NOW,
        closes_at=NOW,
        expires_at=EXPIRES,
    )
    ports.uploads.add(upload, [b"\x00first", b"\xffsecond"], [])
    assert ports.uploads.get(project_id, upload_id) == upload
    assert [ports.uploads.names(upload, part) for part in (0, 1)] == [b"\x00first", b"\xffsecond"]
    assert ports.uploads.get(new_id(), upload_id) is None
    assert ports.uploads.extend(upload, "2026-01-31T09:15:00.000Z")
    assert not ports.uploads.extend(upload, NOW)
    assert not ports.uploads.extend(replace(upload, project_id=new_id()), "2027")
    assert ports.uploads.get(project_id, upload_id) == replace(upload, closes_at="2026-01-31T09:15:00.000Z")
    assert list(ports.images.between(project_id, FIRST, LAST)) == []


def test_of_twenty_requests_with_the_same_bytes_one_wins(ports, project_id):
    """Twenty images with the same bytes at once: one is accepted, and the others all name it."""
    made = [make_image(project_id, sha256="a" * 64) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ports.images.accept, made))
    [winner] = [image for image, answer in zip(made, answers, strict=True) if answer is None]
    assert set(answers) == {None, winner.image_id}
    assert [each.image_id for each in ports.images.between(project_id, FIRST, LAST)] == [winner.image_id]
