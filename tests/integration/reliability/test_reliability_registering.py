"""Registering by many at once, and with passwords that everybody tries."""

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


@pytest.mark.injects(
    "a registration of one email address, all at one moment, in as many spellings of its case",
    times=200,
    soak=1_000,
    outcome="one user; the others are told that it is taken, and leave nothing",
)
def test_registrations_of_one_address_make_one_user(world: World, times: int) -> None:
    """Of all spellings one gets the address, and the names that the others chose stay free."""
    name = world.register().username.removeprefix("u-")
    address = f"somebody-{name}-with-a-long-name@example.org"

    def spelled(n: int) -> str:
        return "".join(c.upper() if n >> i & 1 else c for i, c in enumerate(address))

    register = world.services.accounts.register
    outcomes = at_once(
        [lambda n=n: register(f"r{n}-{name}", spelled(n), "the right one") for n in range(times)]  # type: ignore[misc]
    )
    [user] = [each for each in outcomes if isinstance(each, User)]
    refusals = [each for each in outcomes if isinstance(each, DarkroomError)]
    assert len({spelled(n) for n in range(times)}) == times
    assert len(refusals) == times - 1
    assert all(isinstance(each, ConflictError) and each.code == "email-taken" for each in refusals)
    assert world.ports.users.get_by_login(address) == user
    found = [world.ports.users.get_by_login(f"r{n}-{name}") for n in range(times)]
    assert [each for each in found if each] == [user]


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
