"""The keys that sign tokens, as the stage's secret holds them.

`{"kid": …, "key": …, "signsFrom": …, "previous": {"kid": …, "key": …}}`: tokens by both keys are valid.
A rotation makes the current key the previous one, which goes on signing until `signsFrom` (Unix
seconds): by then everybody who checks tokens has read the new one.
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
    signs_from: float = 0  # Unix seconds

    def __post_init__(self) -> None:
        if any(len(each.key.encode()) < MIN_KEY_BYTES for each in self.keys):
            raise RuntimeError(f"the signing key has under {MIN_KEY_BYTES} bytes")
        if not all(each.key_id for each in self.keys) or len({each.key_id for each in self.keys}) < len(
            self.keys
        ):
            raise RuntimeError("the signing keys have no ids that tell them apart")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keys of a secret.

        Raises:
            RuntimeError: it can't be read, or a key is too short.
        """
        try:
            document = json.loads(text)
            previous = document.get("previous")
            keys = SigningKey.of(document), SigningKey.of(previous) if previous else None
            return cls(*keys, float(document.get("signsFrom", 0)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RuntimeError("the secret holds no signing keys") from error

    @property
    def keys(self) -> list[SigningKey]:
        return [each for each in (self.current, self.previous) if each]

    def __contains__(self, key: SigningKey) -> bool:
        return key in self.keys

    def signing(self, moment: float) -> SigningKey:
        """The key to sign with at a moment, in Unix seconds."""
        return self.previous if self.previous and moment < self.signs_from else self.current

    def find(self, key_id: str) -> str | None:
        """The key of an id; None where tokens by it are not, or no longer, valid."""
        return next((each.key for each in self.keys if each.key_id == key_id), None)

    def rotated(self, new: SigningKey, signs_from: float) -> "KeyRing":
        """With a new key, which signs from a moment on; what was previous until now is gone."""
        return KeyRing(new, self.current, signs_from)

    def serialize(self) -> str:
        previous = {"previous": self.previous.to_json()} if self.previous else {}
        return json.dumps(self.current.to_json() | {"signsFrom": self.signs_from} | previous)
