"""What keeping accounts needs beside the ports of `ports`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..contract.records import LoginAttempts


class CommonPasswords(Protocol):
    def __contains__(self, folded: str) -> bool:
        """Whether a password, folded as names are, is among those that everybody tries."""


class Pseudonyms(Protocol):
    def of(self, text: str) -> Sequence[str]:
        """What a text is called by each key that is in use, the newest key's name first."""


class Attempts(Protocol):
    """Counts of attempts to log in, by pseudonym."""

    def get(self, names: Sequence[str]) -> Mapping[str, LoginAttempts]:
        """Those that are there, by name."""

    def replace(self, seen: LoginAttempts | None, new: LoginAttempts) -> bool:
        """Writes a count; False where it isn't as it was seen any more (None: wasn't there)."""

    def forgive(self, name: str) -> None:
        """Takes back one of the failures, if there is one."""

    def remember(self, new: LoginAttempts) -> None:
        """Writes the count of an address that is known from now on."""
