"""ULIDs: 26 characters, sortable by time, safe in a URL, a file name and an AWS Batch job name.

Source: https://github.com/ulid/spec (48 bits of milliseconds, 80 bits of randomness, Crockford's base 32).
"""

import re
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
#: As a regular expression, for all who read one.
PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_COMPILED = re.compile(PATTERN)
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]

#: Every ULID sorts between these two; the marker rows that share a table sort after them.
FIRST, LAST = "0" * 26, "7" + "Z" * 25


def ulid(milliseconds: int, randomness: int | None = None) -> str:
    """The ULID of a moment in Unix time; `randomness` (80 bits) is drawn where it isn't given."""
    return _encode(milliseconds << 80 | (secrets.randbits(80) if randomness is None else randomness))


def is_ulid(text: str) -> bool:
    return _COMPILED.fullmatch(text) is not None


def ulid_at(base: str, offset: int) -> str:
    """The ULID that stands `offset` places after `base`."""
    return _encode(_decode(base) + offset)


def ulid_distance(base: str, other: str) -> int:
    """How many places `other` stands after `base`; the inverse of `ulid_at`."""
    return _decode(other) - _decode(base)


def _encode(number: int) -> str:
    # Ten bits at a time: this runs once a file in uploads of ten thousand files.
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def _decode(text: str) -> int:
    number = 0
    for character in text:
        number = number << 5 | _VALUES[character]
    return number
