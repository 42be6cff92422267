"""Logins that end: by a token of which there are copies, and by a changed password."""

import itertools
from contextlib import suppress

import pytest

from chalicelib.contract.errors import DarkroomError, UnauthenticatedError, UnprocessableError
from chalicelib.services.accounts import Login
from tests.integration.reliability.account_world import ELSEWHERE, HOME, World, at_once, before_calls


@pytest.fixture(scope="module")
def world(environment: None) -> World:
    return World.make()


@pytest.mark.injects(
    "one refresh token sent 20 times at once",
    times=3,
    soak=100,
    outcome="one is answered at most, and its tokens end too; another login of the user goes on",
)
def test_a_refresh_token_of_many_ends_its_login(world: World, times: int) -> None:
    """Of twenty at most one wins, and what it wins is over: the family is dead."""
    for _ in range(times):
        user = world.register()
        login, other = world.log_in(user), world.log_in(user)
        before = world.telemetry.counts.get("RefreshTokensReused", 0)
        outcomes = at_once([lambda login=login: world.services.accounts.refresh(login.refresh_token)] * 20)  # type: ignore[misc]
        won = [each for each in outcomes if isinstance(each, Login)]
        assert len(won) == 1
        assert {each.code for each in outcomes if isinstance(each, DarkroomError)} == {"refresh-token-reused"}
        assert [world.works(each)[1] for each in [login, *won]] == [False, False]
        assert world.works(other) == (True, True)
        assert world.telemetry.counts["RefreshTokensReused"] > before


#: What goes on while the password changes, and its calls to DynamoDB.
RACING = {"refresh": 2, "log in": 7, "log out everywhere": 2, "another change": 5}


@pytest.mark.injects(
    "a change of the password before and after each call to DynamoDB of what races it",
    times=sum(RACING.values()) + len(RACING),
    soak=500,
    outcome="all tokens of before, and those that the race gave, are refused; those of the change work",
)
def test_a_changed_password_ends_what_races_it(world: World, times: int) -> None:
    """There is no moment at which a refresh or a login survives the change."""
    moments = [(kind, call) for kind, calls in RACING.items() for call in range(calls + 1)]
    injected = 0
    for kind, call in itertools.islice(itertools.cycle(moments), times):
        race = _Race(world, call)
        race.run(kind)
        assert race.is_over == (call == RACING[kind]), "the table above is of what is called"
        race.check()
        injected += 1
    assert injected == times


class _Race:
    """A user with two logins, and something that goes on while the password changes."""

    def __init__(self, world: World, at: int) -> None:
        self.is_over = False
        self._world = world
        self._at = at
        self._user = world.register()
        self._before = [world.log_in(self._user) for _ in range(2)]
        self._given: Login | None = None
        self._raced: Login | None = None

    def run(self, kind: str) -> None:
        def act(number: int, _: str) -> None:
            if number == self._at:
                self._change("the changed one")

        # It may lose the race.
        with before_calls(act), suppress(UnauthenticatedError, UnprocessableError):
            self._raced = self._act(kind)
        if self._given is None:
            self.is_over = True
            self._change("the changed one")

    def _act(self, kind: str) -> Login | None:
        accounts, own = self._world.services.accounts, self._before[0]
        match kind:
            case "refresh":
                return accounts.refresh(own.refresh_token)
            case "log in":
                return self._world.log_in(self._user, address=ELSEWHERE)
            case "another change":
                return accounts.change_password(self._user, "the right one", "the other one", HOME)
        return accounts.log_out(own.refresh_token, everywhere=True)

    def _change(self, new: str) -> None:
        """By what an admitted request has read at this moment."""
        user = self._world.ports.users.get(self._user.user_id)
        assert user
        current = user.password_hash.partition(" of ")[2]
        self._given = self._world.services.accounts.change_password(user, current, new, HOME)

    def check(self) -> None:
        assert self._given
        assert [self._world.works(each) for each in self._before] == [(False, False)] * 2
        if self._raced:
            assert self._world.works(self._raced) == (False, False)
        assert self._world.works(self._given) == (True, True)
