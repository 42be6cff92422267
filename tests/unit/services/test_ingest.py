"""Objects that landed in S3."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from threading import Barrier

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.objects import image_key, incoming_key, thumbnail_key
from chalicelib.contract.records import INGEST_FAILED
from chalicelib.services.acceptance import MAX_IMAGE_BYTES
from chalicelib.services.uploads import AnnouncedFile
from tests.fakes import FakeImages, FakeInspector, FakeLabels, FakeStore, fake_ports
from tests.support import Crash, Crashes, make_image, make_project, new_id

NAMES = ["a.png", "b.png", "c.png"]


def _open(ports, names=NAMES) -> list[str]:
    ports.projects.add(make_project(project_id="P"))
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
    services.deletion.one("P", key.rsplit("/", 1)[1])
    assert services.ingest.take(_post(ports, key, b"image")) is None
    assert _row(ports, key).status == "deleted"
    assert ports.store.objects == {}


def _dying(ports, at: int, *, after: bool):
    """Ports whose store and image table die at one call, counted over all of them."""
    crashes = Crashes(at, after=after)
    wrapped = {name: crashes.wrap(getattr(ports, name)) for name in ("arrivals", "images", "store")}
    return replace(ports, **wrapped)


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


def test_an_object_of_a_deleted_project_is_thrown_away(ports):
    """Once its project is deleted a file is removed unread and leaves no row, tried or given up."""
    keys = _open(ports)
    ingest = assemble(ports).ingest
    ingest.take(_post(ports, keys[0], b"image"))
    rows = dict(ports.images.rows)
    ports.projects.delete("P", "2026-01-31T08:15:00.000Z")
    assert ingest.take(_post(ports, keys[1], b"image of another")) is None
    ingest.give_up(keys[2])
    assert ports.images.rows == rows
    assert keys[1] not in ports.store.objects


def test_an_object_that_grew_waits_for_its_own_event(ports):
    """What is larger than its event says is left as it is; the event that knows its size takes it."""
    key = _post(ports, _open(ports)[0], b"image, posted again")
    ingest = assemble(ports).ingest
    assert ingest.take(key, 5) is None
    assert (_row(ports, key), key in ports.store.objects) == (None, True)
    assert ingest.take(key, 19) == "accepted"


@pytest.mark.parametrize("announced", [MAX_IMAGE_BYTES, MAX_IMAGE_BYTES + 1])
def test_an_object_over_the_limit_is_rejected(announced):
    """An object of over 50 MB is refused by code, unread, and removed."""

    class Large(FakeStore):
        def get(self, key, max_bytes):
            assert max_bytes == MAX_IMAGE_BYTES
            return super().get(key, 4)

    ports = fake_ports(store=Large())
    key = _post(ports, _open(ports)[0], b"image")
    assert assemble(ports).ingest.take(key, announced) == "rejected"
    assert _row(ports, key).reject_reason["code"] == "file-too-large"
    assert ports.store.objects == {}


def _lost(ports, contents: dict[str, bytes]) -> None:
    for key, content in contents.items():
        _post(ports, key, content)
    ports.clock.advance(minutes=15)


def _sweep(ports) -> None:
    assemble(ports).ingest.sweep(ports.clock.now() + timedelta(minutes=1))


def test_the_sweep_takes_in_what_lost_its_event(ports):
    """Old objects become what their events would have made them, and none is left."""
    a, b, c = _open(ports)
    _lost(ports, {a: b"image", b: b"text", c: b"image", "incoming/P/stray/x": b"image"})
    _sweep(ports)
    assert sorted(row.status for row in ports.images.rows.values()) == ["accepted", "duplicate", "rejected"]
    assert not [key for key in ports.store.objects if key.startswith("incoming/")]
    assert ports.telemetry.counts["UploadsRecovered"] == 3


def test_the_sweep_leaves_young_objects_to_their_events(ports):
    """An object of less than fifteen minutes is nobody's business but its event's."""
    key = _post(ports, _open(ports)[0], b"image")
    ports.clock.advance(minutes=14, seconds=59)
    _sweep(ports)
    assert (_row(ports, key), key in ports.store.objects) == (None, True)


def test_the_sweep_removes_what_was_left_of_a_file_that_has_its_row(ports):
    """A crash between the row and the removal leaves an object, which the sweep removes."""
    key = _open(ports)[0]
    ingest = assemble(ports).ingest
    ingest.take(_post(ports, key, b"image"))
    row = _row(ports, key)
    _lost(ports, {key: b"image"})
    _sweep(ports)
    assert (_row(ports, key), key in ports.store.objects) == (row, False)


def test_what_fails_in_a_sweep_is_given_up_and_not_met_again():
    """A file that can't be handled is rejected with `ingest-failed`; later sweeps pass it over."""

    class Broken(FakeInspector):
        inspected = 0

        def inspect(self, content):
            if content == b"image that breaks it":
                self.inspected += 1
                raise RuntimeError
            return super().inspect(content)

    ports = fake_ports(inspector=Broken())
    bad, good, _ = _open(ports)
    _lost(ports, {bad: b"image that breaks it", good: b"image"})
    _sweep(ports)
    _sweep(ports)
    assert _row(ports, bad).reject_reason["code"] == INGEST_FAILED
    assert (_row(ports, good).status, ports.inspector.inspected) == ("accepted", 1)
    assert len(ports.telemetry.warnings) == 1


def test_a_file_that_failed_is_tried_again_hours_later():
    """What was given up, perhaps for a failure of AWS, is left alone for six hours, and then taken in."""
    ports = fake_ports()
    key = _post(ports, _open(ports)[0], b"image")
    ingest = assemble(ports).ingest
    ingest.give_up(key)
    for hours, status in ((5, "rejected"), (2, "accepted")):
        ports.clock.advance(hours=hours)
        ingest.sweep(ports.clock.now() + timedelta(minutes=1))
        assert _row(ports, key).status == status


def test_what_a_dead_handler_stored_goes_when_the_file_turns_out_a_duplicate():
    """A handler dies behind its two objects, a copy is accepted meanwhile: the repeat removes them."""
    ports = fake_ports()
    first, second, _ = _open(ports)
    _post(ports, first, b"image")
    objects = dict(ports.store.objects)
    dying = assemble(replace(ports, images=Crashes(at=2, after=False).wrap(ports.images)))
    with pytest.raises(Crash):
        dying.ingest.take(first)
    assert len(ports.store.objects) == len(objects) + 2
    services = assemble(ports)
    services.ingest.take(_post(ports, second, b"image"))
    assert services.ingest.take(first) == "duplicate"
    kept = {make("P", second.rsplit("/", 1)[1]) for make in (image_key, thumbnail_key)}
    assert ports.store.objects.keys() == kept


def test_an_object_that_kills_the_process_is_noted_before():
    """Whoever dies of a lost object has noted at its file that it failed: no sweep dies of it twice."""

    class Deadly(FakeStore):
        def get(self, key, max_bytes):
            raise Crash

    ports = fake_ports(store=Deadly())
    key = _open(ports)[0]
    ports.store.modified[key] = ports.clock.now() - timedelta(hours=1)
    ports.store.objects[key] = b"image"
    _sweep(ports)
    assert _row(ports, key).reject_reason["code"] == INGEST_FAILED


def test_a_sweep_begins_nothing_after_its_end(ports):
    """A sweep whose time is over takes nothing, and the next one goes on."""
    key = _open(ports)[0]
    _lost(ports, {key: b"image"})
    assemble(ports).ingest.sweep(ports.clock.now())
    assert _row(ports, key) is None
    _sweep(ports)
    assert _row(ports, key).status == "accepted"


def test_the_sweep_handles_several_at_once():
    """Ten lost objects are inspected at one moment."""

    class Meeting(FakeInspector):
        def inspect(self, content):
            meeting.wait(timeout=20)
            return super().inspect(content)

    meeting = Barrier(10)
    ports = fake_ports(inspector=Meeting())
    keys = _open(ports, [f"{n}.png" for n in range(10)])
    _lost(ports, {key: f"image {n}".encode() for n, key in enumerate(keys)})
    _sweep(ports)
    assert {row.status for row in ports.images.rows.values()} == {"accepted"}
