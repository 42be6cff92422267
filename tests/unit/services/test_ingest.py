"""Objects that landed in S3."""

from dataclasses import replace
from itertools import count

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.objects import incoming_key
from chalicelib.contract.records import INGEST_FAILED
from chalicelib.services.uploads import AnnouncedFile
from tests.fakes import FakeImages, FakeLabels, fake_ports
from tests.support import Crash, Crashes, make_image, new_id

NAMES = ["a.png", "b.png", "c.png"]


def _open(ports, names=NAMES) -> list[str]:
    files = [AnnouncedFile(name, 5, "image/png") for name in names]
    return [key for _, _, key in assemble(ports).posted_uploads.open("P", files).images]


def _post(ports, key: str, content: bytes) -> str:
    ports.store.put(key, content, "image/png")
    return key


def _row(ports, key: str):
    return ports.images.get("P", key.rsplit("/", 1)[1])


@pytest.fixture
def ports():
    return fake_ports()


def test_an_object_becomes_an_image_and_is_removed(ports):
    """The image has its announced name and its upload, and the incoming object is gone."""
    key = _post(ports, _open(ports)[1], b"image")
    assert assemble(ports).ingest.take(key) == "accepted"
    row = _row(ports, key)
    assert (row.status, row.file_name, row.upload_id) == ("accepted", "b.png", key.split("/")[2])
    assert key not in ports.store.objects
    assert ports.telemetry.counts == {"ImagesAccepted": 1}


def test_the_same_bytes_are_a_duplicate_with_an_alias(ports):
    """The second of two equal files is recorded as a duplicate of the first, which learns its name."""
    first, second, _ = _open(ports)
    for key in (first, second):
        assemble(ports).ingest.take(_post(ports, key, b"image"))
    assert _row(ports, second).duplicate_of == _row(ports, first).image_id
    assert _row(ports, first).aliases == {"b.png"}


def test_what_is_no_image_is_rejected_with_its_reason(ports):
    """A text file is rejected by code and removed."""
    key = _post(ports, _open(ports)[0], b"text")
    assert assemble(ports).ingest.take(key) == "rejected"
    assert _row(ports, key).reject_reason["code"] == "unsupported-format"
    assert ports.store.objects == {}


def test_a_repeated_event_changes_nothing(ports):
    """After the first, an event finds a row, and what lies under the key by then is only removed."""
    key = _post(ports, _open(ports)[0], b"image")
    ingest = assemble(ports).ingest
    ingest.take(key)
    row = _row(ports, key)
    assert ingest.take(key) is None
    assert ingest.take(_post(ports, key, b"image of another")) is None
    assert _row(ports, key) == row
    assert key not in ports.store.objects


def test_an_event_without_its_object_leaves_the_file_pending(ports):
    """An event whose object is gone writes nothing: a later one may still bring the file."""
    key = _open(ports)[0]
    assert assemble(ports).ingest.take(key) is None
    assert _row(ports, key) is None


@pytest.mark.parametrize("key", ["projects/P/images/I", "incoming/P/U", "x"])
def test_other_objects_are_left_alone(ports, key):
    """An object that isn't below incoming/ is neither read nor removed."""
    _post(ports, key, b"image")
    assert assemble(ports).ingest.take(key) is None
    assert key in ports.store.objects


def test_keys_that_nobody_was_given_are_removed_with_a_warning(ports):
    """A made-up upload, image, project or id is removed and warned of."""
    _, project, upload, _ = _open(ports)[0].split("/")
    stray = [
        incoming_key(project, upload, upload),
        incoming_key(project, upload, new_id(2**47)),
        incoming_key(project, new_id(), new_id()),
        incoming_key("other", upload, new_id()),
        incoming_key(project, "u", "i"),
    ]
    for key in stray:
        assert assemble(ports).ingest.take(_post(ports, key, b"image")) is None
    assert ports.store.objects == {}
    assert len(ports.telemetry.warnings) == len(stray)
    assert ports.images.rows == {}


def test_a_file_that_was_given_up_is_taken_by_a_redrive(ports):
    """Giving up notes a reason and keeps the object; another try makes it an image after all."""
    key = _post(ports, _open(ports)[0], b"image")
    ingest = assemble(ports).ingest
    ingest.give_up(key)
    assert _row(ports, key).reject_reason["code"] == INGEST_FAILED
    assert key in ports.store.objects
    assert ingest.take(key) == "accepted"
    assert _row(ports, key).reject_reason is None


def test_giving_up_never_undoes_an_image(ports):
    """An event that fails for good after its file was taken changes nothing."""
    key = _post(ports, _open(ports)[0], b"image")
    ingest = assemble(ports).ingest
    ingest.take(key)
    row = _row(ports, key)
    ingest.give_up(key)
    assert _row(ports, key) == row


@pytest.mark.parametrize("key", ["x", "incoming/P/u/i", incoming_key("P", new_id(), new_id())])
def test_giving_up_what_is_no_upload_is_nothing(ports, key):
    """A key that nobody was given has no file to note anything at."""
    assemble(ports).ingest.give_up(key)
    assert ports.images.rows == {}


def test_two_deliveries_at_one_moment_make_one_image():
    """A delivery that finds its own bytes taken, by the same event's other delivery, takes the image too."""

    class Twice(FakeImages):
        def find_by_sha256(self, project_id, hashes):
            if not self.rows:
                self.accept(make_image("P", image_id=keys[0].rsplit("/", 1)[1], sha256=hashes[0]))
            return super().find_by_sha256(project_id, hashes)

    ports = fake_ports(images=Twice(FakeLabels()))
    keys = _open(ports)
    assert assemble(ports).ingest.take(_post(ports, keys[0], b"image")) == "accepted"
    assert [row.status for row in ports.images.rows.values()] == ["accepted"]


def test_a_late_event_does_not_bring_back_a_deleted_image(ports):
    """An image that its owner deleted stays deleted, even when its file is posted again."""
    key = _post(ports, _open(ports)[0], b"image")
    services = assemble(ports)
    services.ingest.take(key)
    services.gallery.delete("P", key.rsplit("/", 1)[1])
    assert services.ingest.take(_post(ports, key, b"image")) is None
    assert _row(ports, key).status == "deleted"
    assert ports.store.objects == {}


def _dying(ports, at: int, *, after: bool):
    """Ports whose store and image table die at one call, counted over both."""
    crashes = Crashes(at, after=after)
    return replace(ports, images=crashes.wrap(ports.images), store=crashes.wrap(ports.store))


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("contents", [(b"image", b"image"), (b"text",), (b"image 1", b"image 2")])
def test_a_crash_at_any_call_is_made_good_by_the_next_event(contents, after):
    """Whichever call of the store or the table it dies at, a repeat ends where no crash would have."""

    def run(at: int) -> tuple[bool, object]:
        ports = fake_ports()
        keys = [_post(ports, key, c) for key, c in zip(_open(ports), contents, strict=False)]
        crashed = False
        dying = _dying(ports, at, after=after)
        for key in keys:
            try:
                assemble(dying).ingest.take(key)
            except Crash:
                crashed = True
                assemble(ports).ingest.take(key)
        return crashed, (ports.images.rows, ports.store.objects)

    _, undisturbed = run(0)
    for at in count(1):
        crashed, world = run(at)
        assert world == undisturbed, f"after a crash at call {at}"
        if not crashed:
            break
    assert at > 5
