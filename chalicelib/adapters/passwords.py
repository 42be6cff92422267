"""Passwords: their hashes, how many are made at a time, and which are too common."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock, Semaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..contract.errors import UnavailableError
from ..services import account_ports

#: Of a password that nobody knows; a login without an account is verified against it.
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$XCjnFA+jirDxYR5wuN2r+Q$dB8Yh3qhIEsJfZX+s7vrqdbpBwjIqFm49o6Y/DMMUL4"
_RETRY_AFTER_SECONDS = 3
_COMMON = Path(__file__).with_name("common_passwords.txt.gz")


class Argon2Hasher:
    """argon2id with OWASP's parameters: 19 MiB, two passes, one lane.

    Source: OWASP Password Storage Cheat Sheet.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash or _NOBODYS, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


class BoundedHasher:
    """Hashes a few passwords at a time, so that they leave the processor to other requests.

    In Lambda an environment has one request at a time anyway; this is for a server with threads.

    Args:
        hasher: does the work.
        at_once: hashes at a time; half of the processors without it.
        waiting: how many more may wait for their turn.
    """

    def __init__(
        self, hasher: account_ports.PasswordHasher, at_once: int | None = None, waiting: int = 100
    ) -> None:
        self._hasher = hasher
        at_once = at_once or max(1, (os.cpu_count() or 1) // 2)
        self._turns = Semaphore(at_once)
        self._places = Semaphore(at_once + waiting)

    def hash(self, password: str) -> str:
        """As `PasswordHasher`.

        Raises:
            UnavailableError: too many wait already.
        """
        with self._turn():
            return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """As `hash`."""
        with self._turn():
            return self._hasher.verify(password_hash, password)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise UnavailableError(
                "too many logins and registrations at this moment",
                hint="Try again.",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        try:
            with self._turns:
                yield
        finally:
            self._places.release()


class CommonPasswords:
    """Passwords that are tried first, read from the file beside this module when one is first asked for."""

    def __init__(self) -> None:
        self._reading = Lock()

    def __contains__(self, folded: str) -> bool:
        with self._reading:
            return folded in self.all

    @cached_property
    def all(self) -> frozenset[str]:
        """All of them, folded."""
        lines = gzip.decompress(_COMMON.read_bytes()).decode().splitlines()
        return frozenset(line for line in lines if not line.startswith("# ") and line != "#")
