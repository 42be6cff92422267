"""Archives: what is taken from one, and which are refused as a whole."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import unicodedata
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contract.errors import DarkroomError, RejectedImageError, UnprocessableError
from data_job.archive import Archive
from data_job.archive_checks import Limits, check_members, path_of

from .archives import JPEG, opened, zipped

EMPTY = b"PK\5\6" + bytes(18)


def _refused(file: io.BytesIO, limits: Limits | None = None, name: str = "data.zip") -> str:
    with pytest.raises(UnprocessableError) as caught:
        Archive(file, name, limits)
    assert caught.value.hint
    return caught.value.code


def _made(*members: tuple[zipfile.ZipInfo, bytes]) -> io.BytesIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            archive.writestr(info, content)
    return target


def _named(name: str, mode: int = 0o100644) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo("placeholder")
    # Past what ZipInfo itself would mend.
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    return info, b"x"


def _patched(file: io.BytesIO, signature: bytes, offset: int, format: str, value: int) -> io.BytesIO:
    """Overwrites a field of the last header that begins with `signature`."""
    content = bytearray(file.getvalue())
    struct.pack_into(format, content, content.rindex(signature) + offset, value)
    return io.BytesIO(bytes(content))


def test_what_is_in_it():
    """Images, in the order in which they lie, apart from documents; junk is only counted."""
    files = {
        "b/2.PNG": JPEG,
        "a/1.jpg": JPEG + b"abc",
        "a/": b"",
        "notes.txt": "x",
        "photo": JPEG,
        "README": "x",
        "__MACOSX/a/._1.jpg": b"x",
        ".DS_Store": b"x",
        "a/Thumbs.db": b"x",
    }
    with opened(files) as archive:
        assert list(archive.images()) == [("b/2.PNG", 4), ("a/1.jpg", 7), ("photo", 4)]
        assert list(archive.names()) == ["notes.txt", "README"]
        assert archive.ignored == 3
        assert archive.read("a/1.jpg", 100) == JPEG + b"abc"
        with archive.open("notes.txt") as stream:
            assert stream.read() == b"x"


def test_paths_are_composed():
    """A name that macOS decomposed is the name that people type."""
    with opened({unicodedata.normalize("NFD", "é.jpg"): JPEG}) as archive:
        assert [path for path, _ in archive.images()] == ["é.jpg"]
        assert archive.read("é.jpg", 100) == JPEG


def test_a_single_document():
    """An annotation file alone is an archive of itself, called by the last part of its name."""
    with Archive(io.BytesIO(b"a.jpg,cat\n"), "C:\\data\\labels.csv") as archive:
        assert list(archive.names()) == ["labels.csv"]
        assert not list(archive.images())
        for _ in range(2):
            assert archive.read("labels.csv", 100) == b"a.jpg,cat\n"


def test_reading_is_bounded():
    """A file larger than its reader allows is refused before it is read."""
    with opened({"a.jpg": JPEG + bytes(1000)}) as archive, pytest.raises(RejectedImageError) as caught:
        archive.read("a.jpg", 1000)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    "name",
    [
        *("../a.jpg", "a/../../b.jpg", "/etc/passwd", "C:/a.jpg", "c:a.jpg", "..\\a.jpg", "./../a.jpg"),
        *("a//b.jpg", ".//a.jpg", "a/./b.jpg", "a.jpg\0.txt", "..", "a/..", ".", "\\\\server\\share"),
    ],
)
def test_unsafe_paths(name):
    """A path that could leave its folder, on any system, refuses the archive."""
    assert _refused(_made(_named(name))) == "archive-unsafe-path"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./cat/a.jpg", "cat/a.jpg"),
        ("././a.jpg", "a.jpg"),
        ("cat\\a.jpg", "cat/a.jpg"),  # PowerShell 5
        (".\\cat\\a.jpg", "cat/a.jpg"),
        ("Gr\u00f6\u00dfe/a.jpg".encode().decode("cp437"), "Gr\u00f6\u00dfe/a.jpg"),  # macOS
        ("Gr\u00f6\u00dfe/a.jpg".encode("cp437").decode("cp437"), "Gr\u00f6\u00dfe/a.jpg"),
    ],
)
def test_paths_as_tools_write_them(name, path):
    """A leading `./`, backslashes for slashes and UTF-8 without its flag are read as they were meant."""
    raw = name.encode("cp437")
    content = zipped({"X" * len(raw): JPEG}).getvalue().replace(b"X" * len(raw), raw)
    with Archive(io.BytesIO(content), "data.zip") as archive:
        assert list(archive.images()) == [(path, len(JPEG))]
        assert archive.read(path, 100) == JPEG


def test_a_name_in_a_field_of_its_own():
    """Of a name that was also written as Unicode that form counts, and is checked."""
    member = zipfile.ZipInfo("Gr__e/a.jpg")
    member.filename = "Gr\u00f6\u00dfe/a.jpg"
    assert path_of(member) == "Gr\u00f6\u00dfe/a.jpg"
    member.filename = "../a.jpg"
    with pytest.raises(UnprocessableError) as caught:
        check_members([member], 0, Limits())
    assert caught.value.code == "archive-unsafe-path"


def test_folders_by_themselves():
    """Entries for folders, the archive's own among them, are no files and nothing that is ignored."""
    with opened({"./": "", "./cat/": "", "dog\\": "", "./cat/a.jpg": JPEG}) as archive:
        assert [path for path, _ in archive.images()] == ["cat/a.jpg"]
        assert not list(archive.names())
        assert archive.ignored == 0


def test_one_path_spelled_twice():
    """Two spellings of one path are one path twice."""
    assert _refused(zipped({"./a.jpg": JPEG, "a.jpg": JPEG})) == "archive-duplicate-name"


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o060666, 0o010644, 0o140755])
def test_special_files(mode):
    """Links, devices, pipes and sockets refuse the archive."""
    assert _refused(_made(_named("a.jpg", mode))) == "archive-special-file"


def test_a_bomb():
    """A member that unpacks to over 200 times its size, and over 10 MB, refuses the archive."""
    assert _refused(zipped({"a.bmp": bytes(20_000_000)})) == "archive-bomb"
    with opened({"a.bmp": bytes(9_000_000)}) as archive:
        assert list(archive.images()) == [("a.bmp", 9_000_000)]


def test_the_sum_of_the_sizes():
    """Declared sizes are added up, whichever way they are spread."""
    files = {f"{place}.jpg": bytes(100) for place in range(11)}
    assert _refused(zipped(files), Limits(total_bytes=1000)) == "archive-too-large"


def test_too_many_members():
    """Members are counted, also where the end of the zip lies about their number."""
    file = zipped({f"{place}.jpg": b"" for place in range(11)})
    assert _refused(file, Limits(members=10)) == "archive-too-many-files"
    assert _refused(_patched(file, b"PK\5\6", 10, "<H", 3), Limits(members=10)) == "archive-too-many-files"
    assert _refused(file, Limits(directory_bytes=200)) == "archive-too-many-files"


def test_overlapping_members():
    """Members that share bytes, as in the bomb of overlapping files, refuse the archive."""
    content = bytearray(zipped({"a.jpg": JPEG, "b.jpg": JPEG * 2, "c.jpg": JPEG * 3}).getvalue())
    directory = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", directory + 4)
    whole = io.BytesIO(bytes(content))
    Archive(io.BytesIO(whole.getvalue()), "data.zip")
    # The second entry points at the first file: one piece of data, twice.
    struct.pack_into("<L", content, second + 42, 0)
    assert _refused(io.BytesIO(bytes(content))) == "archive-overlap"
    # Quoted: the first file's data are said to reach over the second's header.
    longer = bytearray(whole.getvalue())
    struct.pack_into("<L", longer, directory + 20, 60)
    assert _refused(io.BytesIO(bytes(longer))) == "archive-overlap"
    # The last is said to reach into the directory.
    assert _refused(_patched(whole, b"PK\1\2", 20, "<L", 200)) == "archive-overlap"


def test_an_encrypted_member():
    """A password refuses the archive, by the flag in its directory."""
    assert _refused(_patched(zipped({"a.jpg": JPEG}), b"PK\1\2", 8, "<H", 1)) == "archive-encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(method):
    """What would unpack without a bound on memory isn't read."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("a.jpg", JPEG)
    assert _refused(target) == "archive-compression"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "x/a.TGZ", "a.7z", "a.rar", "a.tar", "a.xz", "a.bz2"])
def test_nested_archives_by_name(name):
    """An archive in the archive refuses it."""
    assert _refused(zipped({name: b"x", "a.jpg": JPEG})) == "archive-nested"


def _tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        *(
            zipped({"a.jpg": JPEG}).getvalue(),
            EMPTY,
            gzip.compress(b"x"),
            bz2.compress(b"x"),
            lzma.compress(b"x"),
        ),
        *(_tar(), b"7z\xbc\xaf\x27\x1c\0\4", b"Rar!\x1a\x07\1\0"),
    ],
)
def test_nested_archives_by_content(content):
    """What an archive is called doesn't hide it: found at once, or where it has a text's ending when read."""
    assert _refused(zipped({"data": content, "a.jpg": JPEG})) == "archive-nested"
    with opened({"labels.csv": content}) as archive, pytest.raises(UnprocessableError) as caught:
        archive.open("labels.csv")
    assert caught.value.code == "archive-nested"


def test_a_name_twice():
    """The same path twice refuses the archive: readers differ in which they take."""
    with pytest.warns(UserWarning, match="Duplicate"):
        file = _made((zipfile.ZipInfo("a.jpg"), b"1"), (zipfile.ZipInfo("a.jpg"), b"2"))
    assert _refused(file) == "archive-duplicate-name"
    composed, decomposed = "é.jpg", unicodedata.normalize("NFD", "é.jpg")
    assert _refused(zipped({composed: b"1", decomposed: b"2"})) == "archive-duplicate-name"


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (zipped({"a.jpg": JPEG}).getvalue()[:-30], "data.zip", "archive-damaged"),
        (b"PK\3\4" + bytes(200), "data.zip", "archive-damaged"),
        (EMPTY, "data.zip", "archive-empty"),
        (zipped({".hidden": b""}).getvalue(), "data.zip", "archive-empty"),
        (b"", "data.zip", "archive-not-zip"),
        (b"hello", "data.zip", "archive-not-zip"),
        (gzip.compress(b"x"), "labels.csv", "archive-not-zip"),
        (_tar(), "data.tar", "archive-not-zip"),
        (JPEG, "cat.jpg", "archive-not-zip"),
        (b"x", "data.exe", "archive-not-zip"),
    ],
)
def test_what_is_no_zip(content, name, code):
    """What can't be read as a zip is refused with a reason of its own."""
    assert _refused(io.BytesIO(content), name=name) == code


def test_sizes_that_lie():
    """A member that holds more or less than it declares is damaged; it never gives more than it declared."""
    file = zipped({"a.txt": b"x" * 1000})
    for declared in (10, 5000):
        with Archive(_patched(file, b"PK\1\2", 24, "<L", declared), "data.zip") as archive:
            with pytest.raises(RejectedImageError) as caught:
                archive.read("a.txt", 10_000)
            assert caught.value.code == "damaged-in-archive"


def test_damaged_bytes():
    """One damaged file is that file's error, not the archive's."""
    content = bytearray(zipped({"a.jpg": JPEG * 100, "b.jpg": JPEG}).getvalue())
    content[36] ^= 0xFF
    with Archive(io.BytesIO(bytes(content)), "data.zip") as archive:
        with pytest.raises(RejectedImageError):
            archive.read("a.jpg", 1000)
        assert archive.read("b.jpg", 1000) == JPEG


WHOLE = zipped({"a.jpg": JPEG * 20, "labels.csv": "a.jpg,cat\n" * 20, "b": JPEG}).getvalue()


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_zip_raises_nothing_else(changes):
    """Whatever bytes of a zip are changed, opening and reading give content or an error of ours."""
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place] = value
    try:
        with Archive(io.BytesIO(bytes(content)), "data.zip") as archive:
            for path in [*(path for path, _ in archive.images()), *archive.names()]:
                archive.read(path, 10_000)
    except DarkroomError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_zip_cut_off_is_refused(length):
    """A zip that ends too early is never half read."""
    with pytest.raises(UnprocessableError):
        Archive(io.BytesIO(WHOLE[:length]), "data.zip")


def test_crc():
    """The check sum in the zip is checked: zlib's alone would pass a changed stored file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.jpg", JPEG + b"abc")
    content = target.getvalue().replace(b"abc", b"abd")
    assert zlib.crc32(JPEG + b"abc") != zlib.crc32(JPEG + b"abd")
    with Archive(io.BytesIO(content), "data.zip") as damaged, pytest.raises(RejectedImageError):
        damaged.read("a.jpg", 100)
