"""JSON documents of any size, one item of their lists at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import ijson

from ..annotations import Problem, Where
from .checks import RefusedError

_CHUNK = 64 * 1024
_BOM = b"\xef\xbb\xbf"
#: Of one string or number, in bytes; nothing that is told of an image is longer.
MAX_VALUE_BYTES = 4_000_000
MAX_DEPTH = 16
MAX_VALUES = 200_000  # of one item
Event = tuple[str, Any]
_OPENING = frozenset(("start_map", "start_array"))
_CLOSING = frozenset(("end_map", "end_array"))


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the document's object, or one item of a member that is a list."""

    name: str
    index: int | None
    value: Any

    @property
    def key(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"


@dataclass(slots=True)
class _Budget:
    values: int = MAX_VALUES

    def spend(self) -> None:
        self.values -= 1
        if self.values < 0:
            raise RefusedError("too-large", f"one item has over {MAX_VALUES:,} values: split it")


def members(
    file: str, stream: BinaryIO, wanted: Mapping[str, frozenset[str] | None]
) -> Iterator[Member | Problem]:
    """Reads an object.

    Args:
        file: for the Problems.
        stream: the document.
        wanted: the lists to be read, and of their items' members which (None: all); of other
            members those that are no list or object are read.

    Yields:
        Last a Problem, if the document can't be read to its end.
    """
    events, last = _events(stream), None
    try:
        if next(events)[0] != "start_map":
            raise RefusedError("not-an-object", "the document isn't a JSON object: see docs/data.md")
        for each in _members(events, wanted):
            last = each.key
            yield each
    except (ijson.JSONError, ValueError) as error:
        reason = " ".join(str(error).split())[:80].encode(errors="replace").decode()
        message = f"this isn't JSON from here on ({reason}): write the file anew"
        yield Problem(Where(file, key=f"after {last}" if last else None), "not-json", message)
    except RefusedError as error:
        yield error.at(Where(file, key=f"after {last}" if last else None))


def top_level(stream: BinaryIO) -> Iterator[tuple[str, str, Any]]:
    """(name, event, value) of each member of the document's object, as far as it can be read.

    Raises:
        ijson.JSONError: it isn't JSON.
    """
    events = _events(stream)
    if next(events)[0] != "start_map":
        return
    for event, name in events:
        if event == "end_map":
            return
        event, value = next(events)
        yield name, event, value
        if event in _OPENING:
            _skip(events)


def _members(events: Iterator[Event], wanted: Mapping[str, frozenset[str] | None]) -> Iterator[Member]:
    for event, name in events:
        if event == "end_map":
            break
        first = next(events)
        if first[0] == "start_array" and name in wanted:
            yield Member(name, None, [])  # it may be empty
            yield from _items(name, events, wanted[name])
        elif first[0] in _OPENING:
            _skip(events)
            yield Member(name, None, [] if first[0] == "start_array" else {})
        else:
            yield Member(name, None, first[1])
    # The parser still says whether something follows.
    next(events, None)


def _items(name: str, events: Iterator[Event], keep: frozenset[str] | None) -> Iterator[Member]:
    for index, first in enumerate(iter(lambda: next(events), ("end_array", None))):
        yield Member(name, index, _value(first, events, _Budget(), keep))


def _value(
    first: Event, events: Iterator[Event], budget: _Budget, keep: frozenset[str] | None = None, depth: int = 0
) -> Any:
    budget.spend()
    if depth > MAX_DEPTH:
        raise RefusedError("too-deep", f"the document is nested over {MAX_DEPTH} deep: see docs/data.md")
    if first[0] == "start_array":
        return [
            _value(each, events, budget, None, depth + 1)
            for each in iter(lambda: next(events), ("end_array", None))
        ]
    if first[0] != "start_map":
        return first[1]
    found = {}
    for event, key in events:
        if event == "end_map":
            break
        inner = next(events)
        if keep is None or key in keep:
            found[key] = _value(inner, events, budget, None, depth + 1)
        elif inner[0] in _OPENING:
            _skip(events)
    return found


def _skip(events: Iterator[Event]) -> None:
    """Passes over the rest of a list or an object, however deep."""
    depth = 1
    for event, _ in events:
        # Most of a large document passes here: the corners of polygons.
        if event in _OPENING:
            depth += 1
        elif event in _CLOSING:
            depth -= 1
            if not depth:
                return


def _events(stream: BinaryIO) -> Iterator[Event]:
    """What the parser sees. Paths, which ijson can give as well, grow with the square of the depth."""
    found = ijson.sendable_list()
    parser = ijson.basic_parse_coro(found, use_float=True)
    silent = 0
    chunk = stream.read(_CHUNK).removeprefix(_BOM)
    while chunk:
        try:
            parser.send(chunk)
        finally:
            # Also what stood before an error.
            yield from found
        silent = 0 if found else silent + len(chunk)
        if silent > MAX_VALUE_BYTES:
            raise RefusedError("too-large", f"a value has over {MAX_VALUE_BYTES:,} bytes: shorten it")
        del found[:]
        chunk = stream.read(_CHUNK)
    parser.close()
    yield from found  # a number isn't over before the document is
