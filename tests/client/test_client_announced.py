"""Going on with a batch of an earlier upload, whatever has become of it meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from darkroom.client import Client
from darkroom.models import Image, ProjectInfo
from darkroom.project import Project
from darkroom.transport import Transport
from darkroom.upload import announced
from darkroom.upload.announced import Announcer, Open
from darkroom.upload.journal import Batch, Journal
from darkroom.upload.pictures import Picture

from tests.client.conftest import Server, problem

WANTED = {
    each: Picture(
        path=Path(each), name=each, content_type="image/png", size_bytes=1, changed_ns=0, sha256=each
    )
    for each in ("a", "b", "c")
}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Of an upload of a, b and c, of which a was sent and b's sending began, long ago."""
    journal = Journal(tmp_path / "journal")
    batch = Batch("key", [(each, 1, "image/png", each) for each in "abc"])
    journal.add(batch)
    journal.opened(batch, "upload", {"a": "1", "b": "2", "c": "3"})
    for image_id in "12":
        journal.begin(batch, image_id)
    journal.sent(batch, "1")
    yield journal
    journal.close()


@pytest.fixture
def announcer(journal: Journal, transport: Transport, tmp_path: Path) -> Announcer:
    info = ProjectInfo(
        project_id="p", project_name="pets", description="", task_type="classification", created_at="now"
    )
    return Announcer(Project(Client(transport, state=tmp_path), info), journal)


def status(pending: str, expired: int = 0) -> httpx.Response:
    """A reconciliation in which these images are pending."""
    counts = {"accepted": 3 - len(pending), "duplicate": 0, "rejected": 0, "pending": len(pending)}
    files = [{"fileName": each, "imageId": each} for each in pending]
    document = {"uploadId": "upload", "status": "open", "expiresAt": "soon", "expected": 3}
    lists = {"expired": expired, "rejectedFiles": [], "pendingFiles": files}
    return httpx.Response(200, json=document | counts | lists)


def form(ids: str) -> httpx.Response:
    """A fresh form for these images."""
    images = [{"fileName": each, "imageId": each, "key": f"k{each}"} for each in ids]
    document = {"uploadId": "upload", "url": "https://s3.example", "fields": {}, "expiresAt": "soon"}
    return httpx.Response(200, json=document | {"images": images, "rejected": []})


def resumed(announcer: Announcer, known: str = "") -> list[Open]:
    return list(announcer.unfinished(WANTED, set(known)))


def names(opened: list[Open]) -> list[str]:
    [one] = opened
    return [each.name for each in one.to_send]


def test_what_was_not_sent_is_sent(announcer: Announcer, server: Server) -> None:
    """Not what S3 has said to have, though it isn't taken in yet; nor what is in the project by now."""
    server.answers = [status("123"), form("123")]
    assert names(resumed(announcer)) == ["b", "c"]
    server.answers = [status("123"), form("123")]
    assert names(resumed(announcer, known="c")) == ["b"]


def test_what_was_on_its_way_is_given_time(
    announcer: Announcer, journal: Journal, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill of a moment ago, the file that was being sent may arrive yet."""
    monkeypatch.setattr(announced, "_PAUSE_SECONDS", 0)
    journal.left_at = 1e12
    server.answers = [status("123"), status("123"), status("13"), form("13")]
    assert names(resumed(announcer)) == ["c"]


def test_what_arrives_in_between_is_not_sent(announcer: Announcer, server: Server) -> None:
    """The form has no key for it any more, or there is nothing left to sign a form for."""
    server.answers = [status("23"), form("3")]
    assert names(resumed(announcer)) == ["c"]
    server.answers = [status("23"), problem(409, "upload-complete")]
    assert names(resumed(announcer)) == []


def test_what_can_arrive_no_more_is_sent_again(announcer: Announcer, server: Server) -> None:
    """The form has run out, and nothing lies in S3: what was sent got lost."""
    server.answers = [status("13", expired=2), form("13")]
    assert names(resumed(announcer)) == ["a", "c"]


@pytest.mark.parametrize("gone", [problem(404, "upload-not-found"), problem(409, "upload-too-old")], ids=repr)
def test_an_upload_that_is_gone_is_forgotten(
    announcer: Announcer, journal: Journal, server: Server, gone: httpx.Response
) -> None:
    """Its files are then announced anew."""
    server.answers = [gone] if gone.status_code == 404 else [status("123"), gone]
    assert resumed(announcer) == []
    assert journal.batches == []


def listed(*ids: str, status: str = "accepted", of: str | None = None) -> httpx.Response:
    images = [{"imageId": each, "status": status, "uploadTime": "now", "duplicateOf": of} for each in ids]
    return httpx.Response(200, json={"items": images, "nextCursor": None})


NONE = listed()


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        ([status("23"), listed("1"), NONE], "abc"),
        ([status("23"), NONE, NONE], "bc"),
        ([status(""), listed("2"), listed("3", status="duplicate", of="2")], "bc"),
        ([status(""), listed("2"), listed("3", status="duplicate", of="gone")], "b"),
    ],
    ids=["accepted", "deleted", "duplicate", "duplicate of a deleted one"],
)
def test_what_was_deleted_since_is_no_part_of_a_batch(
    announcer: Announcer, journal: Journal, server: Server, answers: list[httpx.Response], left: str
) -> None:
    """The reconciliation counts it as it was; only what is listed as accepted is there."""
    [batch] = journal.batches
    server.answers = list(answers)
    announcer.drop_deleted(batch, {})
    assert sorted(batch.ids) == list(left)


def test_what_was_listed_before_is_not_listed_again(
    announcer: Announcer, journal: Journal, server: Server
) -> None:
    """One request does where each image is known; under another id it isn't this batch's."""
    [batch] = journal.batches
    known = {"a": Image(image_id="1", status="accepted", upload_time="now")}
    known["b"] = Image(image_id="9", status="accepted", upload_time="now")
    server.answers = [status("3")]
    announcer.drop_deleted(batch, known)
    assert (sorted(batch.ids), len(server.requests)) == (["a", "c"], 1)


def test_an_announcement_whose_answer_was_lost_is_repeated(
    announcer: Announcer, journal: Journal, server: Server
) -> None:
    """Under the same key, so that it is the same upload."""
    journal.forget(journal.batches[0])
    journal.add(Batch("lost", [(each, 1, "image/png", each) for each in "abc"]))
    first = httpx.Response(201, json=form("123").json() | {"images": named("abc")})
    server.answers = [first, status("123"), form("123")]
    assert names(resumed(announcer)) == ["a", "b", "c"]
    assert server.keys[0] == "lost"


def named(letters: str) -> list[dict[str, str]]:
    return [
        {"fileName": each, "imageId": str(number), "key": f"k{number}"}
        for number, each in enumerate(letters, 1)
    ]
