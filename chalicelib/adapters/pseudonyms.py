"""Names that tell nothing of what they stand for, but to whoever has the stage's keys."""

import hmac
from collections.abc import Sequence
from typing import Protocol

from ..contract.signing import SigningKey


class Keys(Protocol):
    @property
    def every(self) -> Sequence[SigningKey]: ...


class KeyedPseudonyms:
    """HMAC-SHA-256 by each signing key; a JWT, which has no line breaks, can't be such a text."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def of(self, text: str) -> Sequence[str]:
        named = f"pseudonym\n{text}".encode(errors="backslashreplace")
        return [hmac.digest(each.key.encode(), named, "sha256").hex() for each in self._keys.every]
