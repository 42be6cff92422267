"""The keys that sign tokens, as the stage's secret holds them.

`{"kid": …, "key": …, "previous": {"kid": …, "key": …}}`: tokens are signed by the current key, and
those that the previous one signed are still valid. A rotation makes the current key the previous one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

#: HMAC-SHA-256 wants a key of at least its output's size: RFC 7518, 3.2.
MIN_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the id under which tokens name it."""

    key_id: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["kid"], document["key"])

    def to_json(self) -> dict[str, str]:
        return {"kid": self.key_id, "key": self.key}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys by which a token may be signed at one moment."""

    current: SigningKey
    previous: SigningKey | None = None

    def __post_init__(self) -> None:
        if any(len(each.key.encode()) < MIN_KEY_BYTES for each in self._keys):
            raise RuntimeError(f"the signing key has under {MIN_KEY_BYTES} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keys of a secret.

        Raises:
            RuntimeError: a key is too short.
        """
        document = json.loads(text)
        previous = document.get("previous")
        return cls(SigningKey.of(document), SigningKey.of(previous) if previous else None)

    @property
    def _keys(self) -> list[SigningKey]:
        return [each for each in (self.current, self.previous) if each]

    def __contains__(self, key: SigningKey) -> bool:
        return key in self._keys

    def find(self, key_id: str) -> str | None:
        """The key of an id; None where tokens by it are not, or no longer, valid."""
        return next((each.key for each in self._keys if each.key_id == key_id), None)

    def rotated(self, new: SigningKey) -> "KeyRing":
        """With a new key; what was previous until now is gone."""
        return KeyRing(new, self.current)

    def serialize(self) -> str:
        previous = {"previous": self.previous.to_json()} if self.previous else {}
        return json.dumps(self.current.to_json() | previous)
