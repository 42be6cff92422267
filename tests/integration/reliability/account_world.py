"""Accounts on the embedded AWS, with a clock and hashes that cost nothing."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any, TypeVar
from uuid import uuid4

from chalicelib import bootstrap
from chalicelib.adapters.pseudonyms import KeyedPseudonyms
from chalicelib.adapters.security import JwtTokens
from chalicelib.adapters.signing import SecretVersions, SigningKeys
from chalicelib.bootstrap import Ports, Services, assemble, aws_ports
from chalicelib.contract.errors import DarkroomError, UnauthenticatedError
from chalicelib.contract.records import User
from chalicelib.services.accounts import Login
from chalicelib.settings import Settings
from tests.fakes import FakeClock, FakeTelemetry

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
T = TypeVar("T")


class CountingHasher:
    """Notes each password that is looked at; threads may use it."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def hash(self, password: str) -> str:
        return f"{uuid4()} of {password}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.seen.append(password)
        return password_hash is not None and password_hash.partition(" of ")[2] == password


@dataclass(frozen=True)
class World:
    """The services of a stage, and what their ports noted."""

    ports: Ports
    services: Services
    hasher: CountingHasher
    telemetry: FakeTelemetry
    clock: FakeClock

    @classmethod
    def make(cls) -> "World":
        settings, clock = Settings.read(os.environ), FakeClock()
        hasher, telemetry = CountingHasher(), FakeTelemetry()
        keys = SigningKeys(SecretVersions(bootstrap.aws(), settings.signing_secret), clock)
        ports = replace(
            aws_ports(settings, bootstrap.aws()),
            hasher=hasher,
            telemetry=telemetry,
            clock=clock,
            tokens=JwtTokens(keys, clock),
            pseudonyms=KeyedPseudonyms(keys),
        )
        return cls(ports, assemble(ports), hasher, telemetry, clock)

    def register(self, password: str = "the right one") -> User:
        name = f"u-{uuid4().hex[:12]}"
        return self.services.accounts.register(name, f"{name}@example.org", password)

    def log_in(self, user: User, password: str = "the right one", address: str = HOME) -> Login:
        return self.services.accounts.log_in(user.username, password, address)

    def works(self, login: Login) -> tuple[bool, bool]:
        """Whether its access token, and its refresh token, still open anything; the latter is used up."""
        access = self.services.access
        return (
            _goes(lambda: access.admit(f"Bearer {login.access_token}")),
            _goes(lambda: self.services.accounts.refresh(login.refresh_token)),
        )


def _goes(call: Callable[[], Any]) -> bool:
    try:
        call()
    except UnauthenticatedError:
        return False
    return True


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | DarkroomError]:
    """What calls come to that begin at the same moment, each in a thread of its own."""
    meeting = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | DarkroomError:
        meeting.wait(timeout=60)
        try:
            return call()
        except DarkroomError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def before_calls(act: Callable[[int, str], None]) -> Iterator[None]:
    """Has something done before each request to DynamoDB leaves, by its number from 0 and its operation.

    What is done may make requests of its own: those don't count.
    """
    state = {"calls": 0, "is_acting": False}

    def note(event_name: str, **_: Any) -> None:
        if state["is_acting"]:
            return
        state["is_acting"] = True
        try:
            act(state["calls"], event_name.rpartition(".")[2])
        finally:
            state["is_acting"] = False
        state["calls"] += 1

    events = bootstrap.aws().dynamodb.meta.events
    events.register("before-send", note)
    try:
        yield
    finally:
        events.unregister("before-send", note)
