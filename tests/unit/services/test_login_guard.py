"""Who guesses passwords waits, and the owner doesn't."""

from dataclasses import replace

import pytest

from chalicelib.bootstrap import Ports, assemble
from chalicelib.contract.errors import (
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
)
from chalicelib.services.login_guard import FREE, KNOWN_SECONDS, LONGEST_SECONDS
from tests.fake_attempts import FakePseudonyms
from tests.fakes import FakeHasher, fake_ports

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class World:
    """An account, and attempts to get into it."""

    def __init__(self) -> None:
        self.ports: Ports = fake_ports()
        self.accounts = assemble(self.ports).accounts
        self.user = self.accounts.register("jo", "jo@example.org", "right")

    def tries(self, password: str, address: str, login: str = "jo") -> int | str:
        """What an attempt comes to: "in", "wrong", or the seconds to wait."""
        try:
            self.accounts.log_in(login, password, address)
        except TooManyRequestsError as refused:
            return refused.retry_after_seconds or 0
        except UnauthenticatedError:
            return "wrong"
        return "in"

    def block(self, address: str, login: str = "jo") -> None:
        """Guesses until the next attempt has to wait."""
        assert [self.tries("guess", address, login) for _ in range(FREE)] == ["wrong"] * FREE
        assert self.tries("guess", address, login) == 1


@pytest.fixture
def world() -> World:
    return World()


def test_the_wait_doubles_up_to_a_minute(world):
    """After five wrong passwords it is a second, then twice as long each time, and a minute at most."""
    world.block(ELSEWHERE)
    waits = []
    for _ in range(9):
        waits.append(world.tries("guess", ELSEWHERE))
        world.ports.clock.advance(seconds=waits[-1])
        assert world.tries("guess", ELSEWHERE) == "wrong"
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_what_has_to_wait_is_not_looked_at_and_makes_nothing_longer(world):
    """While it waits not even the right password is verified; a thousand refusals add nothing."""
    world.block(ELSEWHERE)
    before = world.ports.hasher.hashings
    assert {world.tries("right", ELSEWHERE) for _ in range(1000)} == {1}
    assert world.ports.hasher.hashings == before
    world.ports.clock.advance(seconds=1)
    assert world.tries("right", ELSEWHERE) == "in"


def test_strangers_share_one_count_and_the_owner_has_one_of_his_own(world):
    """Guesses from a thousand addresses are one guesser's; where the owner logged in, nothing waits."""
    assert world.tries("right", HOME) == "in"
    outcomes = [world.tries("guess", f"203.0.{n // 250}.{n % 250}") for n in range(1000)]
    assert outcomes.count("wrong") == FREE
    assert world.tries("right", ELSEWHERE) == 1
    assert world.tries("right", HOME) == "in"


def test_a_known_address_has_to_wait_for_its_own_failures(world):
    """The owner's address is as slow for who guesses there, and strangers don't wait for it."""
    world.tries("right", HOME)
    world.block(HOME)
    assert world.tries("right", HOME) == 1
    assert world.tries("right", ELSEWHERE) == "in"
    world.ports.clock.advance(seconds=1)
    assert world.tries("right", HOME) == "in"
    world.block(HOME)


def test_an_address_is_known_for_thirty_days_after_the_last_login(world):
    """Each login renews it; after thirty days without one it is a stranger's."""
    world.tries("right", HOME)
    world.ports.clock.advance(seconds=KNOWN_SECONDS - 1)
    world.block(ELSEWHERE)
    assert world.tries("right", HOME) == "in"
    world.ports.clock.advance(seconds=KNOWN_SECONDS)
    world.block(ELSEWHERE)
    assert world.tries("right", HOME) == 1


def test_an_address_is_known_through_a_rotation_of_the_keys(world, monkeypatch):
    """What an address is called by the key of before is looked up as well."""
    monkeypatch.setattr(FakePseudonyms, "of", lambda _, text: [f"{text} by 1"])
    world.tries("right", HOME)
    monkeypatch.undo()
    world.block(ELSEWHERE)
    assert world.tries("right", HOME) == "in"


def test_failures_are_forgotten_after_a_day(world):
    """Nothing is left of yesterday's guesses."""
    world.block(ELSEWHERE)
    world.ports.clock.advance(hours=24)
    world.block(ELSEWHERE)


def test_logging_in_from_ever_new_addresses_is_no_failure(world):
    """What was right isn't counted, however often and wherever it comes from."""
    assert {world.tries("right", f"203.0.113.{n}") for n in range(50)} == {"in"}
    world.block(ELSEWHERE)


def test_a_login_does_not_set_strangers_free(world):
    """When the owner logs in from a new address, those who guess go on waiting as long."""
    world.block(ELSEWHERE)
    world.ports.clock.advance(seconds=1)
    assert world.tries("right", HOME) == "in"
    world.ports.clock.advance(seconds=2)
    assert world.tries("guess", ELSEWHERE) == "wrong"
    assert world.tries("guess", ELSEWHERE) == 2


def test_both_logins_of_an_account_have_one_count(world):
    """By name or by address, in any case: five guesses in all."""
    logins = ["jo", "JO", "jo@example.org", "Jo@Example.org", "jo"]
    assert {world.tries("guess", ELSEWHERE, login) for login in logins} == {"wrong"}
    assert world.tries("guess", ELSEWHERE, "jo@example.org") == 1


def test_a_login_that_nobody_has_waits_alike(world):
    """The waits of an account that isn't there are those of one that is."""
    world.block(ELSEWHERE, "nobody")
    world.block(ELSEWHERE, "nobody@example.org")
    assert world.tries("guess", HOME, "NOBODY") == 1


def test_other_accounts_do_not_wait(world):
    """One account's guesser keeps nobody else from logging in, even from the same address."""
    world.accounts.register("al", "al@example.org", "right")
    world.block(ELSEWHERE)
    assert world.tries("right", ELSEWHERE, "al") == "in"


def test_a_home_of_many_addresses_is_one(world):
    """The addresses of one IPv6 network count as one; those of another don't."""
    assert world.tries("right", "2001:db8:1:2::5") == "in"
    world.block(ELSEWHERE)
    assert world.tries("right", "2001:db8:1:2:aaaa::9") == "in"
    assert world.tries("right", "2001:db8:1:3::5") == 1


@pytest.mark.parametrize("address", ["", "unknown", "127.0.0.1"])
def test_any_text_can_be_an_address(world, address):
    """What is no address is a place like another."""
    assert world.tries("right", address) == "in"


def test_when_it_is_too_busy_to_look_nothing_is_counted(world):
    """A login that was told to come again is no failure."""
    busy = World()
    busy.accounts = assemble(replace(busy.ports, hasher=Busy())).accounts
    for _ in range(2 * FREE):
        with pytest.raises(UnavailableError):
            busy.tries("right", ELSEWHERE)
    busy.accounts = assemble(busy.ports).accounts
    busy.block(ELSEWHERE)


def test_counts_say_nothing_of_who_and_where(world):
    """A row has neither the login nor the address in plain, and an end."""
    world.tries("guess", ELSEWHERE)
    world.tries("right", HOME)
    rows = world.ports.attempts.rows
    now = world.ports.clock.now().timestamp()
    assert rows
    assert all(row.user_id.endswith(" by 2") and row.expires_at > now for row in rows.values())


def test_guessing_the_current_password_waits_too(world):
    """With a stolen access token the password can't be found out quicker."""

    def change() -> None:
        world.accounts.change_password(world.user, "guess", "new password", ELSEWHERE)

    for _ in range(FREE):
        with pytest.raises(UnprocessableError):
            change()
    with pytest.raises(TooManyRequestsError):
        change()
    assert world.tries("right", ELSEWHERE) == 1


def test_refusals_and_waits_are_counted(world):
    """Wrong passwords and refused attempts are metrics."""
    world.block(ELSEWHERE)
    counts = world.ports.telemetry.counts
    assert (counts["LoginsRefused"], counts["LoginsDelayed"]) == (FREE, 1)


class Busy(FakeHasher):
    def verify(self, password_hash: str | None, password: str) -> bool:
        raise UnavailableError("busy")
