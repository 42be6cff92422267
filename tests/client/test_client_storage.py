"""S3, by what the API signed: sent again where that helps, and downloads that go on and are checked."""

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from darkroom.downloads import Download, fetch, refuse_to_overwrite
from darkroom.errors import DownloadError, ServerUnreachableError, UploadError
from darkroom.progress import Progress
from darkroom.run import file_name
from darkroom.storage import ExpiredError, Storage

from tests.client.conftest import Pauses, Server

FORM = {"policy": "p", "key": "incoming/1"}
BUSY = httpx.Response(503, content=b"<Error><Code>SlowDown</Code></Error>")
SLOW = httpx.Response(400, content=b"<Error><Code>RequestTimeout</Code><Message>idle</Message></Error>")
LARGE = httpx.Response(400, content=b"<Error><Code>EntityTooLarge</Code><Message>too large</Message></Error>")


def storage_of(handler: Callable[[httpx.Request], httpx.Response], pauses: Pauses) -> Storage:
    return Storage(pauses.policy(), httpx.Client(transport=httpx.MockTransport(handler)))


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("slow"), BUSY, SLOW, httpx.Response(500)], ids=repr)
def test_a_file_is_posted_again_from_its_beginning(
    server: Server, pauses: Pauses, failure: httpx.Response | Exception
) -> None:
    """The whole form, with the file as its last field, as S3 asks for; and no token."""
    server.answers = [failure, httpx.Response(204)]
    storage_of(server, pauses).post("https://s3.example/b", FORM, "image/png", BytesIO(b"bytes"))
    assert len(server.requests) == 2
    body = server.requests[1].content
    assert body.index(b'name="policy"') < body.index(b'name="key"') < body.index(b'name="file"')
    assert b"Content-Type: image/png\r\n\r\nbytes\r\n" in body
    assert "authorization" not in server.requests[1].headers


@pytest.mark.parametrize(
    ("answer", "kind", "about"),
    [
        (LARGE, UploadError, "too large"),
        (httpx.Response(403, content=b"<Message>Policy expired</Message>"), ExpiredError, "Policy expired"),
        (httpx.ConnectError("refused"), ServerUnreachableError, "does not answer"),
        (BUSY, ServerUnreachableError, "busy"),
    ],
    ids=["refused", "expired", "unreachable", "busy"],
)
def test_what_cannot_be_posted_is_told_apart(
    server: Server, pauses: Pauses, answer: httpx.Response | Exception, kind: type[Exception], about: str
) -> None:
    """One file's fault, a form that has run out, and a network that is lost."""
    server.answers = [answer]
    with pytest.raises(kind, match=about):
        storage_of(server, pauses).post("https://s3.example/b", FORM, "image/png", BytesIO(b"bytes"))


CONTENT = bytes(range(256)) * 40


class Bucket:
    """Serves one object by ranges; `cuts` are the byte counts after which an answer breaks off."""

    def __init__(self, content: bytes = CONTENT, cuts: tuple[int, ...] = ()) -> None:
        self.content = content
        self.cuts = list(cuts)
        self.ranges: list[str | None] = []
        self.knows_ranges = True
        self.expired = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = request.headers.get("range")
        self.ranges.append(asked)
        if self.expired:
            self.expired -= 1
            return httpx.Response(403)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.knows_ranges else 0
        body = self.content[start:]
        status = 206 if start else 200
        if not self.cuts:
            return httpx.Response(status, content=body)
        cut = self.cuts.pop(0)
        return httpx.Response(status, stream=_Cut(body[:cut]))


class _Cut(httpx.SyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self):
        yield self._content
        raise httpx.ReadError("connection reset")


def download_of(target: Path, content: bytes = CONTENT, **changes: str | int | None) -> Download:
    known = {"size_bytes": len(content), "sha256": sha256(content).hexdigest()} | changes
    return Download(identity="0123456789abcdef", url=lambda: "https://s3.example/o", target=target, **known)


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path, pauses: Pauses) -> None:
    """Every byte is fetched once, however often the connection breaks; progress is told."""
    bucket, told = Bucket(cuts=tuple([1000] * 9)), list[Progress]()
    target = tmp_path / "new" / "model.onnx"
    assert fetch(storage_of(bucket, pauses), download_of(target), pauses.policy(), told.append) == target
    assert target.read_bytes() == CONTENT
    assert bucket.ranges == [None, *(f"bytes={n}000-" for n in range(1, 10))]
    assert told[-1] == Progress("downloading", len(CONTENT), len(CONTENT), "bytes")
    assert list(target.parent.iterdir()) == [target]


def test_a_later_command_goes_on_too(tmp_path: Path, pauses: Pauses) -> None:
    """What an interrupted one has fetched is kept beside the target, under the content's hash."""
    target = tmp_path / "model.onnx"
    bucket = Bucket(cuts=(3000, 0, 0, 0, 0, 0, 0))
    with pytest.raises(DownloadError, match="broke off"):
        fetch(storage_of(bucket, pauses), download_of(target), pauses.policy(attempts=3))
    assert not target.exists()
    later = Bucket()
    fetch(storage_of(later, pauses), download_of(target), pauses.policy())
    assert later.ranges == ["bytes=3000-"]
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_begins_again(tmp_path: Path, pauses: Pauses) -> None:
    """Nothing is appended to what is there already."""
    bucket = Bucket(cuts=(5000,))
    bucket.knows_ranges = False
    fetch(storage_of(bucket, pauses), download_of(tmp_path / "o"), pauses.policy())
    assert (tmp_path / "o").read_bytes() == CONTENT


def test_a_url_that_ran_out_is_asked_for_again(tmp_path: Path, pauses: Pauses) -> None:
    """As long as the API gives another one."""
    bucket = Bucket()
    bucket.expired = 1
    fetch(storage_of(bucket, pauses), download_of(tmp_path / "o"), pauses.policy())
    assert (tmp_path / "o").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "left", [b"", b"another file's", CONTENT[:-1] + b"x"], ids=["nothing", "part", "all"]
)
def test_another_content_is_refused(tmp_path: Path, pauses: Pauses, left: bytes) -> None:
    """A part that doesn't belong to it is thrown away; what is wrong after that never gets the name."""
    target = tmp_path / "o"
    download = download_of(target)
    download.part.write_bytes(left)
    fetch(storage_of(Bucket(), pauses), download, pauses.policy())
    assert target.read_bytes() == CONTENT
    target.unlink()
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch(storage_of(Bucket(CONTENT[::-1]), pauses), download, pauses.policy())
    assert not list(tmp_path.iterdir())


def test_what_is_there_already_is_not_fetched(tmp_path: Path, pauses: Pauses) -> None:
    """By its SHA-256; where that isn't known it is fetched."""
    (tmp_path / "o").write_bytes(CONTENT)
    bucket = Bucket()
    fetch(storage_of(bucket, pauses), download_of(tmp_path / "o"), pauses.policy())
    assert bucket.ranges == []
    fetch(storage_of(bucket, pauses), download_of(tmp_path / "o", sha256=None), pauses.policy())
    assert bucket.ranges == [None]


def test_a_users_own_files_are_not_overwritten(tmp_path: Path) -> None:
    """All of them are named before anything is fetched; what is new, or the same, is no reason."""
    downloads = [download_of(tmp_path / name) for name in ("new", "same", "README.md", "labels.txt")]
    (tmp_path / "same").write_bytes(CONTENT)
    refuse_to_overwrite(downloads[:2])
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "labels.txt").write_bytes(CONTENT[::-1])
    with pytest.raises(DownloadError, match=r"README\.md.*labels\.txt") as caught:
        refuse_to_overwrite(downloads)
    assert caught.value.code == "file-exists"
    for option in ("--force", "--to"):
        assert option in str(caught.value.hint)


def test_a_file_of_unknown_size_is_fetched_whole(tmp_path: Path, pauses: Pauses) -> None:
    """To the end of the answer."""
    download = download_of(tmp_path / "o", size_bytes=None, sha256=None)
    fetch(storage_of(Bucket(), pauses), download, pauses.policy())
    assert (tmp_path / "o").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b", ""])
def test_no_name_that_a_server_gives_leaves_the_folder(name: str) -> None:
    """Known files have their own names; any other becomes a plain one."""
    assert "/" not in file_name(name)
    assert ".." not in file_name(name)
    assert file_name("onnx") == "model.onnx"
