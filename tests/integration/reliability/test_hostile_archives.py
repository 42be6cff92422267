"""Hostile archives, sent as imports: each is refused as a whole, before anything is taken from it."""

import gzip
import io
import struct
import tarfile
from collections.abc import Callable, Mapping
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from infra.local.aws import EmbeddedAws
from tests import hostile
from tests.integration.conftest import Api
from tests.integration.reliability.ways import imported, zipped

GOOD = {"cat/good.png": hostile.small(1), "dog/better.png": hostile.small(2)}
DIRECTORY, END, LOCAL = b"PK\1\2", b"PK\5\6", b"PK\3\4"


def _with(name: str, mode: int = 0o100644, content: bytes = b"x", method: int = ZIP_DEFLATED) -> bytes:
    """A good archive with one more member, past what zipfile itself would mend."""
    target = io.BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for path, each in GOOD.items():
            archive.writestr(path, each)
        info = ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        info.external_attr, info.compress_type = mode << 16, method
        archive.writestr(info, content)
    return target.getvalue()


def _patched(signature: bytes, offset: int, form: str, value: int) -> bytes:
    """A good archive with a field of its last such header overwritten."""
    content = bytearray(zipped(GOOD))
    struct.pack_into(form, content, content.rindex(signature) + offset, value)
    return bytes(content)


def _many_times(copies: int) -> bytes:
    """Members that are all the same bytes of the file: each entry points at the first."""
    content = bytearray(zipped({f"{number}.png": hostile.small() for number in range(copies)}))
    place = content.index(DIRECTORY)
    for _ in range(copies):
        struct.pack_into("<L", content, place + 42, 0)
        place = content.find(DIRECTORY, place + 4)
    return bytes(content)


def _tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        link = tarfile.TarInfo("passwd.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return target.getvalue()


def archives() -> Mapping[str, tuple[bytes, str]]:
    """Name -> an archive, and the code with which it is refused."""
    unsafe = (
        "../../etc/cron.d/a.png",
        "/etc/a.png",
        "C:\\a.png",
        "a/../../b.png",
        "..\\b.png",
        "a.png\0.txt",
    )
    return {
        **{f"path {name!r}": (_with(name), "archive-unsafe-path") for name in unsafe},
        "symlink": (_with("passwd.png", 0o120777, b"/etc/passwd"), "archive-special-file"),
        "device": (_with("zero.png", 0o020666), "archive-special-file"),
        "bomb": (_with("a.bmp", content=bytes(50_000_000)), "archive-bomb"),
        "overlapping": (_many_times(100), "archive-overlap"),
        "larger than it is": (_patched(DIRECTORY, 24, "<L", 0xFFFFFFF0), "archive-bomb"),
        "beyond its end": (_patched(DIRECTORY, 20, "<L", 5000), "archive-overlap"),
        "encrypted": (_patched(DIRECTORY, 8, "<H", 1), "archive-encrypted"),
        "nested": (_with("more.zip", content=zipped(GOOD)), "archive-nested"),
        "nested under another name": (_with("labels.csv", content=zipped(GOOD)), "archive-nested"),
        "other compression": (_with("a.png", method=ZIP_BZIP2), "archive-compression"),
        "twice": (_with("./cat/good.png"), "archive-duplicate-name"),
        "without a directory": (zipped(GOOD)[:-40], "archive-damaged"),
        "directory elsewhere": (_patched(END, 16, "<L", 0xFFFFFF), "archive-overlap"),
        "tar": (_tar(), "archive-not-zip"),
        "gzip": (gzip.compress(bytes(1000)), "archive-not-zip"),
        "a page": (hostile.no_images()["page.jpg"], "archive-not-zip"),
    }


@pytest.mark.injects(
    "an archive with unsafe paths, links, bombs, overlaps, archives in it or lies in its directory",
    times=22,
    soak=220,
    outcome="`failed` with a code, and nothing taken from it",
)
def test_a_hostile_archive_is_refused_whole(api: Api, stack: EmbeddedAws, times: int) -> None:
    """Each fails its import with the reason; the good images in it don't come, nothing is unpacked."""
    made, injected = archives(), 0
    for _ in range(times // len(made)):
        project = api.project()
        for name, (archive, code) in made.items():
            path, failure = imported(api, project, archive, stack)
            assert failure, name
            assert (name, failure.code) == (name, code)
            found = api.call("GET", path).json
            assert (found["status"], found["failure"]["code"]) == ("failed", code)
            injected += 1
        assert api.call("GET", f"{project}/data/images").json["items"] == []
    assert injected == times


#: What a file's own header or data may say, which only reading it shows.
LIES: Mapping[str, Callable[[bytes], bytes]] = {
    "another checksum": lambda content: _changed(content, DIRECTORY, 16),
    "another name": lambda content: _changed(content, LOCAL, 30),
    "other data": lambda content: _changed(content, LOCAL, 60),
}


def _changed(content: bytes, signature: bytes, offset: int) -> bytes:
    changed = bytearray(content)
    changed[changed.rindex(signature) + offset] ^= 0x55
    return bytes(changed)


@pytest.mark.injects(
    "an archive whose last file has another checksum, name or other data than its directory says",
    times=3,
    soak=30,
    outcome="this file is rejected, the other one taken",
)
def test_a_damaged_member_costs_itself_alone(api: Api, stack: EmbeddedAws, times: int) -> None:
    """What is wrong with one file shows when it is read, and concerns no other."""
    injected = 0
    for _ in range(times // len(LIES)):
        for damage in LIES.values():
            project = api.project()
            path, failure = imported(api, project, damage(zipped(GOOD)), stack)
            assert failure is None
            found = api.call("GET", f"{project}/data/uploads/{path.rsplit('/', 1)[1]}").json
            assert (found["accepted"], found["rejected"]) == (1, 1)
            assert {each["code"] for each in found["rejectedFiles"]} == {"damaged-in-archive"}
            injected += 1
    assert injected == times
