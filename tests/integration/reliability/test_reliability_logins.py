"""Logging in, by many at once and by those who guess."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from threading import Event, Lock, Thread
from typing import Any

import pytest

from app import app
from chalicelib import bootstrap
from chalicelib.adapters.passwords import BoundedHasher
from chalicelib.bootstrap import Ports, assemble
from chalicelib.contract.errors import (
    DarkroomError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from chalicelib.contract.records import User
from chalicelib.services.account_ports import AccessClaims
from chalicelib.services.accounts import Login
from chalicelib.services.login_guard import FREE, LONGEST_SECONDS
from infra.local.server import Server
from tests.fakes import fake_ports
from tests.integration.conftest import Api, forget
from tests.integration.reliability.account_world import (
    ELSEWHERE,
    HOME,
    CountingHasher,
    World,
    at_once,
    before_calls,
)
from tests.support import make_user


@pytest.fixture(scope="module")
def world(environment: None) -> World:
    return World.make()


GUESSES = 100


@pytest.mark.injects(
    "a guess of one account's password, a hundred at one moment and each from another address",
    times=GUESSES,
    soak=20 * GUESSES,
    outcome="five of the hundred are looked at; the others are 429 with Retry-After",
)
def test_guesses_at_one_moment_are_so_many_guesses(world: World, times: int) -> None:
    """A guess is counted before it is looked at: being many at once gains nothing."""
    sent = 0
    for _ in range(times // GUESSES):
        user, before = world.register(), len(world.hasher.seen)
        world.log_in(user)
        guesses = [lambda n=n: world.log_in(user, "a guess", f"203.0.113.{n}") for n in range(GUESSES)]  # type: ignore[misc] # noqa: B023
        outcomes = at_once(guesses)
        kinds = Counter(type(each) for each in outcomes)
        assert kinds == {UnauthenticatedError: FREE, TooManyRequestsError: GUESSES - FREE}
        assert len(world.hasher.seen) - before == 1 + FREE
        assert all(each.retry_after_seconds for each in outcomes if isinstance(each, TooManyRequestsError))
        assert isinstance(world.log_in(user), Login), "the owner, at home, does not wait"
        sent += kinds.total()
    assert sent == times


@pytest.mark.injects(
    "a guess a second of one account's password, each from another address",
    times=3_600,
    soak=100_000,
    outcome="about one a minute is looked at; the owner, who logs in each minute, never waits",
)
def test_guesses_for_an_hour_lock_nobody_out(times: int) -> None:
    """However long it goes on, the guesses are few, and the owner's address is not held up."""
    ports = fake_ports(hasher=CountingHasher())
    accounts = assemble(ports).accounts
    accounts.register("owner", "owner@example.org", "the right one")
    accounts.log_in("owner", "the right one", HOME)
    outcomes: Counter[type] = Counter()
    for second in range(times):
        ports.clock.advance(seconds=1)  # type: ignore[attr-defined]
        try:
            accounts.log_in("owner", "a guess", f"2001:db8:{second % 65536:x}:{second // 65536}::1")
        except DarkroomError as error:
            outcomes[type(error)] += 1
        if second % 60 == 0:
            assert accounts.log_in("owner", "the right one", HOME).access_token
    assert outcomes.total() == times
    # 63 seconds of growing waits, and then a guess each time the longest is over.
    assert outcomes[UnauthenticatedError] <= FREE + 7 + times / LONGEST_SECONDS
    assert outcomes[TooManyRequestsError] == times - outcomes[UnauthenticatedError]


@pytest.mark.injects(
    "a login with a wrong password, for an account that is there and for one that is not, in turn",
    times=20,
    soak=500,
    outcome="the same calls to AWS, one verification of a password, and the same answer",
)
def test_an_unknown_user_costs_what_a_known_one_does(nobody: Api, world: World, times: int) -> None:
    """Neither the work nor the answer tells whether there is an account."""
    costs: set[tuple[str, ...]] = set()
    answers: set[str] = set()
    seen = len(world.hasher.seen)
    for n in range(times):
        known = world.register()
        login = [known.username, known.email, f"no-{known.username}", f"no-{known.email}"][n % 4]
        calls: list[str] = []
        with (
            before_calls(lambda _, operation, calls=calls: calls.append(operation)),
            pytest.raises(  # type: ignore[misc]
                UnauthenticatedError
            ) as refused,
        ):
            world.services.accounts.log_in(login, "wrong", ELSEWHERE)
        costs.add(tuple(calls))
        answers.add(f"{refused.value.code} {refused.value.detail} {refused.value.hint}")
    assert len(world.hasher.seen) - seen == times
    assert costs == {("GetItem", "GetItem", "BatchGetItem", "PutItem")}
    assert len(answers) == 1


class SlowHasher(CountingHasher):
    """Ends no hash before it is told to; counts how many are being made."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = Event()
        self.most = self._now = 0
        self._lock = Lock()

    def verify(self, password_hash: str | None, password: str) -> bool:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        assert self.ends.wait(timeout=120)
        with self._lock:
            self._now -= 1
        return super().verify(password_hash, password)


AT_ONCE, WAITING = 2, 48


@pytest.fixture
def slow() -> SlowHasher:
    return SlowHasher()


@pytest.fixture
def served(
    slow: SlowHasher, environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, Ports]]:
    """The API's HTTP server, on ports in memory and hashes that don't end."""
    ports = fake_ports(hasher=BoundedHasher(slow, at_once=AT_ONCE, waiting=WAITING))
    monkeypatch.setattr(bootstrap, "aws_ports", lambda *_: ports)
    forget()
    server = Server(app, "127.0.0.1", 0)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server, ports
    slow.ends.set()
    server.shutdown()
    thread.join()
    server.server_close()
    forget()


def _request(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=120)  # type: ignore[arg-type]
    try:
        headers |= {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After")
    finally:
        connection.close()


@pytest.mark.injects(
    "a login over HTTP, all at one moment, while hashes take for ever",
    times=100,
    soak=400,
    outcome="other requests are answered meanwhile; the logins wait their turn, or are 503 with Retry-After",
)
def test_logins_at_one_moment_keep_no_other_request_waiting(
    served: tuple[Server, Ports], slow: SlowHasher, times: int
) -> None:
    """Two hashes at a time and 48 that wait; the rest of the logins and all other requests get answers."""
    server, ports = served
    users = [make_user(password_hash="x of the right one") for _ in range(times)]
    for each in users:
        ports.users.add(each)
    answers: list[tuple[int, str | None]] = []
    is_full = Event()

    def log_in(user: User) -> None:
        body = {"login": user.username, "password": "the right one"}
        answers.append(_request(server, "POST", "/api/auth/login", body))
        if len(answers) >= times - AT_ONCE - WAITING:
            is_full.set()

    threads = [Thread(target=log_in, args=(each,)) for each in users]
    for thread in threads:
        thread.start()
    assert is_full.wait(timeout=120)
    token = ports.tokens.access(AccessClaims(users[0].user_id, 1))
    others = [_request(server, "GET", "/api/users/me", Authorization=f"Bearer {token}") for _ in range(20)]
    assert [status for status, _ in others] == [200] * 20
    assert [status for status, _ in answers] == [503] * (times - AT_ONCE - WAITING), "the others still wait"
    assert all(int(retry_after or 0) > 0 for _, retry_after in answers)
    slow.ends.set()
    for thread in threads:
        thread.join()
    assert Counter(status for status, _ in answers)[200] == AT_ONCE + WAITING
    assert slow.most == AT_ONCE
