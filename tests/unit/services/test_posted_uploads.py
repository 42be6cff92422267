"""Files posted to S3: announced, signed for once, and reconciled."""

import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, NotFoundError
from chalicelib.contract.ids import is_ulid
from chalicelib.services.uploads import AnnouncedFile
from tests.fakes import FakeImages, FakeLabels, FakeUploads, fake_ports
from tests.support import make_image, make_project, new_id


@pytest.fixture
def ports():
    return fake_ports()


def _announce(names: list[str], **changes) -> list[AnnouncedFile]:
    return [
        AnnouncedFile(**({"file_name": n, "size_bytes": 5, "content_type": "image/png"} | changes))
        for n in names
    ]


def test_one_signature_for_a_whole_batch(ports):
    """A thousand files are signed for once, each with a key of its own under the signed prefix."""
    opened = assemble(ports).posted_uploads.open("P", _announce([f"{n}.png" for n in range(1000)]))
    assert ports.store.policies_signed == 1
    keys = [key for _, _, key in opened.images]
    assert len(set(keys)) == 1000
    prefix = opened.policy.fields["policy"].split()[0]
    assert all(key == prefix + image_id for _, image_id, key in opened.images)


def test_opening_a_thousand_uploads_is_cheap(ports):
    """A thousand announced files cost under 100 ms of CPU, at best of three."""
    files = _announce([f"{n}.png" for n in range(1000)])
    uploads = assemble(ports).posted_uploads

    def measure() -> float:
        started = time.process_time()
        uploads.open("P", files)
        return time.process_time() - started

    assert min(measure() for _ in range(3)) < 0.1


def test_refusals_are_written_side_by_side():
    """Two hundred refused files, at 10 ms a write, take less than a quarter of their sum."""

    class Slow(FakeImages):
        def record(self, image):
            time.sleep(0.01)
            super().record(image)

    ports = fake_ports(images=Slow(FakeLabels()))
    files = _announce([f"{n}.txt" for n in range(200)], content_type="text/plain")
    started = time.perf_counter()
    opened = assemble(ports).posted_uploads.open("P", files)
    assert time.perf_counter() - started < 0.5
    assert [each.file_name for each in opened.rejected] == [each.file_name for each in files]
    assert len(ports.images.rows) == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size_bytes": 50_000_001}, "file-too-large"),
        ({"size_bytes": 0}, "empty-file"),
        ({"content_type": "text/html"}, "not-an-image"),
        ({"content_type": "IMAGE"}, "not-an-image"),
        ({"file_name": "../a.png"}, "file-name-unsafe"),
        ({"file_name": ""}, "file-name-missing"),
    ],
)
def test_a_bad_announcement_is_rejected_by_itself(ports, change, code):
    """A file that can't be taken is told so at once and reconciled; the others get their keys."""
    uploads = assemble(ports).posted_uploads
    files = [*_announce(["a.png"]), *_announce(["bad.png"], **change), *_announce(["c.png"])]
    opened = uploads.open("P", files)
    assert [name for name, _, _ in opened.images] == ["a.png", "c.png"]
    assert [each.error.code for each in opened.rejected] == [code]
    found = uploads.reconcile("P", opened.upload.upload_id)
    assert [each.reject_reason["code"] for each in found.rejected] == [code]
    assert [name for name, _ in found.pending] == ["a.png", "c.png"]


def test_names_come_back_across_parts(ports):
    """2,500 names of all kinds are pending under the ids that they were given."""
    names = [f"é {n} + %.png" for n in range(2500)]
    uploads = assemble(ports).posted_uploads
    opened = uploads.open("P", _announce(names))
    pending = uploads.reconcile("P", opened.upload.upload_id).pending
    assert pending == [(name, image_id) for name, image_id, _ in opened.images]
    assert [name for name, _ in pending] == names


def test_an_upload_closes_after_an_hour(ports):
    """An upload is open for an hour, as long as its policy works."""
    uploads = assemble(ports).posted_uploads
    opened = uploads.open("P", _announce(["a.png"]))
    assert opened.policy.fields["policy"].endswith(" 3600")
    assert uploads.reconcile("P", opened.upload.upload_id).expired == 0
    ports.clock.advance(hours=1)
    assert uploads.reconcile("P", opened.upload.upload_id).expired == 1


def test_what_has_landed_in_time_is_not_expired(ports):
    """A closed upload's file that waits to be taken in is pending still, not expired."""
    uploads = assemble(ports).posted_uploads
    opened = uploads.open("P", _announce(["a.png", "b.png"]))
    ports.store.put(opened.images[0][2], b"image", "image/png")
    ports.clock.advance(hours=1)
    found = uploads.reconcile("P", opened.upload.upload_id)
    assert (found.counts["pending"], found.expired) == (2, 1)


def test_only_names_that_are_needed_are_read():
    """Of three parts of names the one with a file that is pending is read, and none when all is there."""

    class Counting(FakeUploads):
        parts = ()

        def names(self, upload, part):
            self.parts = (*self.parts, part)
            return super().names(upload, part)

    images = FakeImages(FakeLabels())
    uploads = Counting(images)
    ports = fake_ports(images=images, uploads=uploads)
    opened = assemble(ports).posted_uploads.open("P", _announce([f"{n}.png" for n in range(2500)]))
    for _, image_id, _ in opened.images[:1500] + opened.images[1501:]:
        images.record(make_image("P", image_id=image_id))
    found = assemble(ports).posted_uploads.reconcile("P", opened.upload.upload_id)
    assert found.pending == [opened.images[1500][:2]]
    assert uploads.parts == (1,)


@pytest.mark.parametrize("upload_id", ["", "x", "x" * 3000, new_id(), "{}#0000"])
def test_an_unknown_upload_is_not_there(upload_id):
    """An unknown id, text that is no id, and the name of an inner row are 404; no such text is a key."""

    class Strict(FakeUploads):
        def get(self, project_id, upload_id):
            assert is_ulid(upload_id), "DynamoDB refuses such a key, or has an inner row there"
            return super().get(project_id, upload_id)

    uploads = assemble(fake_ports(uploads=Strict(FakeImages(FakeLabels())))).posted_uploads
    known = uploads.open("P", _announce(["a.png"])).upload.upload_id
    with pytest.raises(NotFoundError):
        uploads.reconcile("P", upload_id.format(known))
    with pytest.raises(NotFoundError):
        uploads.reconcile("another project", known)


#: Two pairs of equal bytes, a file that is no image, and one that is announced badly.
CONTENTS = [b"image 1", b"image 1", b"image 2", b"image 2", b"text", b"image 3"]


class Reconciling(RuleBasedStateMachine):
    """Events that are dropped, repeated and reordered, between posts, deletions and failures."""

    @initialize()
    def announce(self) -> None:
        self.ports = fake_ports()
        self.ports.projects.add(make_project(project_id="P"))
        self.services = assemble(self.ports)
        files = [*_announce([f"{n}.png" for n in range(6)]), *_announce(["bad"], content_type="text/html")]
        self.opened = self.services.posted_uploads.open("P", files)
        self.posted: set[int] = set()

    @rule(index=st.integers(0, 5))
    def post(self, index: int) -> None:
        """A client posts a file, or posts it again."""
        self.ports.store.put(self.opened.images[index][2], CONTENTS[index], "image/png")
        self.posted.add(index)

    @rule(index=st.integers(0, 5))
    def notice(self, index: int) -> None:
        """An event arrives: the first, a repeat, or one whose object is not there (any more)."""
        self.services.ingest.take(self.opened.images[index][2])

    @rule(index=st.integers(0, 5))
    def give_up(self, index: int) -> None:
        """An event's last try failed."""
        self.services.ingest.give_up(self.opened.images[index][2])

    @rule(index=st.integers(0, 6))
    def delete(self, index: int) -> None:
        """The owner deletes whatever became of a file."""
        image_id = [*(each[1] for each in self.opened.images), self._bad_id()][index]
        row = self.ports.images.get("P", image_id)
        if row and row.status != "deleted":
            self.services.deletion.one("P", image_id)

    @precondition(lambda self: len(self.posted) == 6)
    @rule()
    def redrive(self) -> None:
        """Every event once more: then nothing that was posted is pending."""
        for index in range(6):
            self.post(index)
            self.notice(index)
        assert self._found().counts["pending"] == 0

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        self.ports.clock.advance(minutes=minutes)

    @rule()
    def renew(self) -> None:
        """The form is renewed: for what has no row, or failed through no fault of its own."""
        rows = {each.image_id: each for each in self.ports.images.between("P", "", "~")}
        missing = [
            (name, image_id, key)
            for name, image_id, key in self.opened.images
            if image_id not in rows or rows[image_id].may_be_retried
        ]
        if not missing:
            with pytest.raises(ConflictError):
                self.services.posted_uploads.renew("P", self.opened.upload.upload_id)
            return
        assert self.services.posted_uploads.renew("P", self.opened.upload.upload_id).images == missing
        assert self._found().expired == 0

    @invariant()
    def it_adds_up(self) -> None:
        """expected = accepted + duplicate + rejected + pending, and each project's bytes are there once."""
        found = self._found()
        assert found.upload.expected == sum(found.counts.values()) == 7
        assert found.counts["pending"] == len(found.pending) >= found.expired
        assert found.counts.keys() <= {"accepted", "duplicate", "rejected", "pending"}
        accepted = [row for row in self.ports.images.rows.values() if row.status == "accepted"]
        assert len({row.sha256 for row in accepted}) == len(accepted)
        assert all(row.file_path in self.ports.store.objects for row in accepted)

    def _found(self):
        return self.services.posted_uploads.reconcile("P", self.opened.upload.upload_id)

    def _bad_id(self) -> str:
        return self.opened.rejected[0].image.image_id


TestReconciling = Reconciling.TestCase
TestReconciling.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
