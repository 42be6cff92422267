"""Objects in S3 as files."""

import io
import random
from collections import Counter
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.errors import UnavailableError, UnprocessableError
from data_job import patience, remote
from data_job.remote import RemoteFile, RemoteWriter
from tests.fake_transfers import FakeLargeObjects
from tests.fakes import FakeStore

KEY = "transfers/p/t/archive"
BLOCK = 16  # bytes


class Counting(FakeLargeObjects):
    """Notes which blocks are read, and fails as often as it is told to."""

    def __init__(self, content: bytes, failures: int = 0) -> None:
        super().__init__(FakeStore())
        self._store.put(KEY, content, "application/zip")
        self.reads: Counter[int] = Counter()
        self.failures = failures

    def read(self, key: str, etag: str, start: int, length: int) -> bytes:
        self.reads[start // BLOCK] += 1
        assert length <= BLOCK
        if self.failures:
            self.failures -= 1
            raise UnavailableError("broken off")
        return super().read(key, etag, start, length)


@given(st.binary(max_size=100), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 50))))
def test_it_reads_as_any_file_does(content, steps):
    """Whatever is sought and read, the bytes are those of a file in memory."""
    expected = io.BytesIO(content)
    with io.BufferedReader(RemoteFile(Counting(content), KEY, BLOCK), 8) as file:
        for place, length in steps:
            assert file.seek(place) == expected.seek(place)
            assert file.read(length) == expected.read(length)
            assert file.tell() == expected.tell()
        assert file.seek(0, io.SEEK_END) == len(content)


def test_each_block_is_fetched_once_from_front_to_back():
    """Read in one go, no byte is asked for twice, and no more than three blocks are held."""
    content = random.Random(1).randbytes(10 * BLOCK + 3)
    objects = Counting(content)
    with RemoteFile(objects, KEY, BLOCK) as file:
        found = b""
        while piece := file.read(7):
            found += piece
            assert len(file._blocks) <= 3
    assert found == content
    assert objects.reads == dict.fromkeys(range(11), 1)


def test_a_jump_reads_nothing_ahead():
    """Reading at one place alone fetches that block alone."""
    objects = Counting(bytes(10 * BLOCK))
    with RemoteFile(objects, KEY, BLOCK) as file:
        file.seek(5 * BLOCK)
        file.read(1)
    assert objects.reads == {5: 1}


def test_a_connection_that_breaks_is_tried_again(monkeypatch):
    """A block that didn't come is asked for again, and given up after five times."""
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)
    objects = Counting(b"content", failures=4)
    with RemoteFile(objects, KEY, BLOCK) as file:
        assert file.read(10) == b"content"
    objects.failures = 5
    with RemoteFile(objects, KEY, BLOCK) as file, pytest.raises(UnavailableError):
        file.read(10)


def test_an_object_that_is_replaced_is_not_read_on():
    """Blocks of two contents are never mixed: once replaced, the object is gone."""
    objects = Counting(bytes(3 * BLOCK))
    with RemoteFile(objects, KEY, BLOCK) as file:
        file.read(1)
        objects._store.put(KEY, b"another", "application/zip")
        file.seek(2 * BLOCK)
        with pytest.raises(UnprocessableError):
            file.read(1)


def test_there_is_no_place_before_the_beginning():
    """A negative place is refused as by other files, which readers of zips rely on."""
    with RemoteFile(Counting(b"abc"), KEY, BLOCK) as file, pytest.raises(ValueError, match="before"):
        file.seek(-4, io.SEEK_END)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 25])
def test_what_is_written_becomes_one_object(monkeypatch, size):
    """Parts of equal size, but for the last, become the object that was written."""
    monkeypatch.setattr(remote, "PART_BYTES", 10)
    objects = FakeLargeObjects(FakeStore())
    content = random.Random(size).randbytes(size)
    with RemoteWriter(objects, KEY, "application/zip") as writer:
        for place in range(0, size, 5):
            writer.write(content[place : place + 5])
        assert objects.find(KEY) is None
        writer.finish()
    assert objects._store.objects[KEY] == content
    assert writer.size_bytes == size


def test_a_zip_can_be_written_to_it():
    """zipfile, which can't seek here, writes an archive that it can read."""
    objects = FakeLargeObjects(FakeStore())
    with RemoteWriter(objects, KEY, "application/zip") as writer:
        with ZipFile(writer, "w") as archive:
            archive.writestr("a.txt", "hello")
        writer.finish()
    with ZipFile(RemoteFile(objects, KEY)) as archive:
        assert archive.read("a.txt") == b"hello"
