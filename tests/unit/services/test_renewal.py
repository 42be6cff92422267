"""Uploads that stop half-way: renewed, and announced again."""

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import RequestError, UnprocessableError
from chalicelib.contract.ids import ulid_at
from chalicelib.services.times import rfc3339
from chalicelib.services.uploads import UPLOAD_OPEN, AnnouncedFile
from tests.fakes import fake_ports
from tests.support import Crash, Crashes, make_image, make_project, new_id

BAD = AnnouncedFile("bad", 5, "text/html")


@pytest.fixture
def ports():
    return fake_ports()


def _announce(*names: str) -> list[AnnouncedFile]:
    return [AnnouncedFile(each, 5, "image/png") for each in names]


def test_a_renewed_upload_takes_what_is_missing(ports):
    """A fresh form, an hour from now, names the files without a row and those that failed, by their ids."""
    services = assemble(ports)
    ports.projects.add(make_project(project_id="P"))
    opened = services.posted_uploads.open("P", _announce(*(f"{n}.png" for n in range(4))))
    arrived, failed, refused, unsent = opened.images
    for (_, _, key), content in ((arrived, b"image"), (refused, b"text")):
        ports.store.put(key, content, "image/png")
        services.ingest.take(key)
    services.ingest.give_up(failed[2])
    ports.clock.advance(days=20)
    renewed = services.posted_uploads.renew("P", opened.upload.upload_id)
    assert renewed.images == [failed, unsent]
    assert renewed.upload.closes_at == rfc3339(ports.clock.now() + UPLOAD_OPEN)
    assert ports.uploads.get("P", opened.upload.upload_id) == renewed.upload
    assert services.posted_uploads.reconcile("P", opened.upload.upload_id).expired == 0
    for number, (_, _, key) in enumerate(renewed.images):
        ports.store.put(key, b"image of %d" % number, "image/png")
        services.ingest.take(key)
    assert services.posted_uploads.reconcile("P", opened.upload.upload_id).counts == {
        "accepted": 3, "rejected": 1, "pending": 0,
    }  # fmt: skip


def _renewal_problem(ports, upload_id: str) -> str:
    with pytest.raises(RequestError) as raised:
        assemble(ports).posted_uploads.renew("P", upload_id)
    return raised.value.code


def test_what_can_not_be_renewed_says_why(ports):
    """A complete upload, an import, one about to be forgotten, a forgotten and an unknown one."""
    uploads = assemble(ports).posted_uploads
    done, old = (uploads.open("P", _announce("a.png")).upload for _ in range(2))
    ports.images.record(make_image("P", image_id=ulid_at(done.upload_id, 1)))
    imported = replace(old, image_id="upload#I", upload_id=new_id(), is_import=True)
    ports.uploads.add(imported, [], [])
    assert _renewal_problem(ports, done.upload_id) == "upload-complete"
    assert _renewal_problem(ports, imported.upload_id) == "upload-is-import"
    assert _renewal_problem(ports, new_id()) == "upload-not-found"
    ports.clock.advance(days=29)
    assert _renewal_problem(ports, old.upload_id) == "upload-too-old"
    ports.clock.advance(days=1)
    assert _renewal_problem(ports, old.upload_id) == "upload-not-found"


def test_a_renewal_never_closes_an_upload_earlier(ports):
    """Of two renewals at once the later end stands, and both answer it."""
    uploads = assemble(ports).posted_uploads
    upload = uploads.open("P", _announce("a.png")).upload
    later = rfc3339(ports.clock.now() + 2 * UPLOAD_OPEN)
    assert ports.uploads.extend(upload, later)
    assert uploads.renew("P", upload.upload_id).upload.closes_at == later


def test_a_retry_with_its_key_is_the_same_upload(ports):
    """The same request again answers the same ids under a fresh form, and the upload closes later."""
    uploads = assemble(ports).posted_uploads
    files = [*_announce("a.png", "b.png"), BAD]
    first = uploads.open("P", files, "key")
    ports.clock.advance(minutes=30)
    again = uploads.open("P", files, "key")
    assert (again.images, again.replayed, first.replayed) == (first.images, True, False)
    assert [each.image.image_id for each in again.rejected] == [
        each.image.image_id for each in first.rejected
    ]
    assert again.upload.closes_at == rfc3339(ports.clock.now() + UPLOAD_OPEN)
    assert len(ports.uploads.rows) == 1
    with pytest.raises(UnprocessableError):
        uploads.open("P", files[:2], "key")
    assert uploads.open("P", files, "other").upload.upload_id != first.upload.upload_id


@pytest.mark.parametrize("after", [False, True])
def test_a_retry_completes_an_upload_that_died_at_any_call(after):
    """Killed at each call in turn, the request sent again opens the one upload, with all its names."""
    files = [*_announce("a.png"), BAD]
    for at in count(1):
        ports, crashes = fake_ports(), Crashes(at, after=after)
        wrapped = {name: crashes.wrap(getattr(ports, name)) for name in ("uploads", "idempotency", "store")}
        with suppress(Crash):
            assemble(replace(ports, **wrapped)).posted_uploads.open("P", files, "key")
        opened = assemble(ports).posted_uploads.open("P", files, "key")
        found = assemble(ports).posted_uploads.reconcile("P", opened.upload.upload_id)
        assert found.counts == {"rejected": 1, "pending": 1}
        assert found.pending == [opened.images[0][:2]]
        assert len(ports.uploads.rows) == 1
        if crashes.calls < at:
            break
    assert at == 4
