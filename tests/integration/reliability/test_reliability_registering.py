"""Registering by many at once, and with passwords that everybody tries."""

from collections.abc import Sequence

import pytest

from chalicelib.adapters.passwords import CommonPasswords
from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, DarkroomError, UnprocessableError
from chalicelib.contract.records import User
from tests.fakes import fake_ports
from tests.integration.conftest import Api
from tests.integration.reliability.account_world import HOME, CountingHasher, World, at_once
from tests.support import make_user


@pytest.fixture(scope="module")
def world(environment: None) -> World:
    return World.make()


AT_ONCE = 200


@pytest.mark.injects(
    "a registration of one email address, 200 at one moment, in as many spellings of its case",
    times=AT_ONCE,
    soak=20 * AT_ONCE,
    outcome="one user; the others are told that it is taken, and leave nothing",
)
def test_registrations_of_one_address_make_one_user(world: World, times: int) -> None:
    """Of all spellings one gets the address, and the names that the others chose stay free."""
    sent = 0
    for _ in range(times // AT_ONCE):
        name = world.register().username.removeprefix("u-")
        spellings = [f"{_spelled('somebody', n)}-{name}@example.org" for n in range(AT_ONCE)]
        outcomes = _register(world, name, spellings)
        [user] = [each for each in outcomes if isinstance(each, User)]
        refusals = [each for each in outcomes if isinstance(each, DarkroomError)]
        assert (len(set(spellings)), len(refusals)) == (AT_ONCE, AT_ONCE - 1)
        assert all(isinstance(each, ConflictError) and each.code == "email-taken" for each in refusals)
        assert world.ports.users.get_by_login(spellings[0]) == user
        found = [world.ports.users.get_by_login(f"r{n}-{name}") for n in range(AT_ONCE)]
        assert [each for each in found if each] == [user]
        sent += len(outcomes)
    assert sent == times


def _spelled(word: str, n: int) -> str:
    """One of the spellings of a word's case, by number."""
    return "".join(letter.upper() if n >> i & 1 else letter for i, letter in enumerate(word))


def _register(world: World, name: str, emails: Sequence[str]) -> list[User | DarkroomError]:
    register = world.services.accounts.register
    return at_once(
        [lambda n=n, e=e: register(f"r{n}-{name}", e, "the right one") for n, e in enumerate(emails)]  # type: ignore[misc]
    )


@pytest.mark.injects(
    "a password of those that everybody tries, in capitals, at a registration and at a change",
    times=11_611,
    soak=11_611,
    outcome="422, and neither hashed nor kept",
)
def test_common_passwords_are_refused(times: int) -> None:
    """Every one of the list is refused, however it is written, before it costs a hash."""
    common, hasher = CommonPasswords(), CountingHasher()
    ports = fake_ports(common_passwords=common, hasher=hasher)
    accounts = assemble(ports).accounts
    user = accounts.register("owner", "owner@example.org", "not a common one")
    refused = 0
    for password in sorted(common.all)[:times]:
        for call in (
            lambda p=password: accounts.register("jo", "jo@example.org", p.upper()),  # type: ignore[misc]
            lambda p=password: accounts.change_password(user, "not a common one", p.upper(), HOME),  # type: ignore[misc]
        ):
            with pytest.raises(UnprocessableError, match="too common"):
                call()
        refused += 1
    assert refused == times == len(common.all)
    assert hasher.seen == []
    assert ports.users.get(user.user_id) == user
    assert ports.users.get_by_login("jo") is None


@pytest.mark.injects(
    "a password of 7 and of 129 characters, at a registration and at a change",
    times=4,
    soak=4,
    outcome="422 that points at the field; 8 and 128 characters are taken",
)
def test_passwords_have_8_to_128_characters(nobody: Api, times: int) -> None:
    """Both ends of what is allowed are allowed, and a character more or less is not."""
    api, sent = nobody.register(), 0
    for length, status in ((7, 422), (129, 422), (8, 201), (128, 201)):
        name = f"l{length}-{make_user().username[-12:].lower()}"
        body = {"username": name, "email": f"{name}@example.org", "password": "Zq9-" * 32 + "x"}
        body["password"] = body["password"][:length]
        answer = nobody.call("POST", "/api/users", body)
        assert answer.status == status
        if status == 201:
            assert (
                nobody.call("POST", "/api/auth/login", {"login": name, "password": body["password"]}).status
                == 200
            )
            continue
        assert [each["pointer"] for each in answer.json["errors"]] == ["/password"]
        change = {"currentPassword": "a long enough password", "newPassword": body["password"]}
        changed = api.call("POST", "/api/users/me/password", change)
        assert [each["pointer"] for each in changed.json["errors"]] == ["/newPassword"]
        sent += 2
    assert sent == times
