"""A data set written down: which images, with which labels. Lambda writes it, the containers read it.

JSON lines, one an image, sorted by image id, in canonical form: the same data gives the same bytes
in whatever order it was read. Its SHA-256 is the data set's hash; in S3 it is compressed with gzip.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from io import BytesIO
from typing import Any, Self

from .naming import camel
from .records import LabelValue, SplitName


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One labelled image; what is None is left out of its line."""

    image_id: str
    file_name: str
    label: LabelValue
    sha256: str
    size_bytes: int
    width: int
    height: int
    split: SplitName | None = None
    perceptual_hash: str | None = None

    @property
    def classes(self) -> set[str]:
        """The classes that its label names."""
        return {self.label} if isinstance(self.label, str) else {each["label"] for each in self.label}

    def to_line(self) -> bytes:
        values = ((name, getattr(self, attribute)) for attribute, name in _NAMES)
        document = {name: value for name, value in values if value is not None}
        return _encode(document).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        document: dict[str, Any] = json.loads(line)
        return cls(**{_ATTRIBUTES[name]: value for name, value in document.items()})


#: (attribute, name in JSON), in the order of the names: the lines are canonical.
_NAMES = sorted(((each.name, camel(each.name)) for each in fields(Entry)), key=lambda pair: pair[1])
_ATTRIBUTES = {name: attribute for attribute, name in _NAMES}
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Packed:
    """A manifest as it is stored."""

    content: bytes  # gzip
    dataset_hash: str
    images: int


def pack(entries: Iterable[Entry]) -> Packed:
    """Writes a manifest.

    Args:
        entries: sorted by image id; read one at a time.

    Raises:
        ValueError: they are not sorted, or an image is there twice.
    """
    buffer, digest, count, last = BytesIO(), hashlib.sha256(), 0, ""
    # Without a time in its header, so that the same data is the same file.
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=6) as packed:
        for each in entries:
            if each.image_id <= last:
                raise ValueError(f"{each.image_id} after {last}")
            line, last, count = each.to_line(), each.image_id, count + 1
            digest.update(line)
            packed.write(line)
    return Packed(buffer.getvalue(), digest.hexdigest(), count)


def unpack(content: bytes, dataset_hash: str) -> Iterator[Entry]:
    """Reads a manifest, and at its end checks that it is the one that was meant.

    Raises:
        ValueError: its hash is another, or it can't be read.
    """
    digest = hashlib.sha256()
    try:
        with gzip.GzipFile(fileobj=BytesIO(content)) as lines:
            for line in lines:
                digest.update(line)
                yield Entry.from_line(line)
    except (OSError, EOFError, zlib.error, KeyError, TypeError) as error:
        raise ValueError(f"the manifest can't be read: {error}") from error
    if digest.hexdigest() != dataset_hash:
        raise ValueError(f"the manifest has the hash {digest.hexdigest()}, not {dataset_hash}")
