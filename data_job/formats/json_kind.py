"""Tells the formats that are JSON apart, by the first members of a document."""

from typing import Literal

import ijson

from ..archive import Archive
from .checks import RefusedError
from .json_stream import top_level

_COCO = frozenset(("images", "annotations", "categories"))


def json_format(archive: Archive, path: str) -> Literal["darkroom", "coco", "manifest"] | None:
    """Reads no further than it needs; None where the document is another, or can't be read so far."""
    with archive.open(path) as stream:
        try:
            for name, event, value in top_level(stream):
                if (name, value) == ("format", "darkroom"):
                    return "darkroom"
                if name in _COCO and event == "start_array":
                    return "coco"
                if name == "source-ref":
                    return "manifest"
        except (ijson.JSONError, ValueError, RefusedError):
            pass
    return None
