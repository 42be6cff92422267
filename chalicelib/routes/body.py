"""Reading a request's body, which may hold anything."""

import json
from collections import Counter
from io import BytesIO
from math import isfinite
from typing import Any, NoReturn

from multipart import MultipartError, MultipartParser, ParserLimitReached, parse_options_header

from ..contract.errors import MalformedError, TooLargeError
from ..services.direct_uploads import SentFile

#: Lambda takes 6 MB a request, and base64 makes four bytes of three.
MAX_MULTIPART_BYTES = 4_500_000
MAX_FILES = 1000
#: Up to here a float holds every whole number.
_WHOLE = 2**53
_OTHER_WAY = "Send large files, or many, through POST /api/projects/{projectId}/data/uploads."


def read_json(raw: bytes) -> Any:
    """A JSON body, as RFC 8259 has it: no NaN, no member twice, UTF-8.

    Raises:
        MalformedError: it isn't that; the sentence says where.
    """
    if not raw:
        raise MalformedError("the body is empty; JSON is expected", code="malformed-json")
    try:
        return json.loads(
            raw.decode(), parse_constant=_refuse_constant, parse_float=_number, object_pairs_hook=_object
        )
    except UnicodeDecodeError as error:
        raise MalformedError("the body isn't UTF-8", code="malformed-json") from error
    except RecursionError as error:
        raise MalformedError("the JSON is nested too deeply", code="malformed-json") from error
    except ValueError as error:
        raise MalformedError(f"the body isn't JSON: {error}", code="malformed-json") from error


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _number(text: str) -> float:
    """2.0 is the number 2, as in JSON Schema; 1e999 is none that anything here can hold."""
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return int(value) if value.is_integer() and abs(value) <= _WHOLE else value


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        [(twice, _)] = Counter(name for name, _ in members).most_common(1)
        raise ValueError(f"the member {twice!r} stands twice in one object")
    return found


def read_files(raw: bytes, content_type: str, field: str) -> list[SentFile]:
    """The files of a multipart/form-data body.

    Raises:
        TooLargeError: it has over 4.5 MB or 1,000 parts.
        MalformedError: it isn't multipart, is cut off, or has no file in `field`.
    """
    if len(raw) > MAX_MULTIPART_BYTES:
        raise TooLargeError(
            f"a request takes up to {MAX_MULTIPART_BYTES / 1e6} MB of files",
            code="request-too-large",
            hint=_OTHER_WAY,
        )
    files = [SentFile(part.filename, part.raw) for part in _parts(raw, content_type) if part.name == field]
    if not files:
        raise MalformedError(f"there is no file in the field {field!r}", code="files-missing")
    return files


def _parts(raw: bytes, content_type: str) -> list[Any]:
    _, options = parse_options_header(content_type)
    try:
        parser = MultipartParser(
            BytesIO(raw),
            options.get("boundary", ""),
            len(raw),
            part_limit=MAX_FILES,
            memory_limit=2 * MAX_MULTIPART_BYTES,
            spool_limit=MAX_MULTIPART_BYTES,
            strict=True,
        )
        return parser.parts()
    except ParserLimitReached as error:
        raise TooLargeError(
            f"a request takes up to {MAX_FILES} files, with names of reasonable length",
            code="request-too-large",
            hint=_OTHER_WAY,
        ) from error
    except MultipartError as error:
        raise MalformedError(
            f"the body isn't multipart/form-data: {error.args[0] if error.args else 'unreadable'}",
            code="malformed-multipart",
        ) from error
