"""Passwords and logins as clients see them."""

import pytest
from chalice.local import LambdaEventConverter

from chalicelib.contract.ids import ulid
from chalicelib.services.login_guard import FREE
from tests.integration.conftest import PASSWORD, Answer, Api

LOGIN, CHANGE = "/api/auth/login", "/api/users/me/password"


@pytest.fixture
def name(nobody: Api) -> str:
    """A user who has not logged in yet."""
    name = f"a-{ulid(1).lower()[-12:]}"
    user = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    assert nobody.call("POST", "/api/users", user).status == 201
    return name


def _log_in(nobody: Api, name: str, password: str = PASSWORD, **headers: str) -> Answer:
    return nobody.call("POST", LOGIN, {"login": name, "password": password}, **headers)


def test_a_changed_password_ends_the_tokens_of_before(nobody: Api, name: str) -> None:
    """The answer's tokens work, those of before and the old password don't."""
    before = [_log_in(nobody, name).json for _ in range(2)]
    api = Api(nobody.client, before[0]["accessToken"])
    change = {"currentPassword": PASSWORD, "newPassword": "quite another password"}
    given = api.call("POST", CHANGE, change).json
    assert given.keys() == before[0].keys()
    for each in before:
        assert Api(nobody.client, each["accessToken"]).call("GET", "/api/users/me").status == 401
        assert nobody.call("POST", "/api/auth/refresh", {"refreshToken": each["refreshToken"]}).status == 401
    assert Api(nobody.client, given["accessToken"]).call("GET", "/api/users/me").status == 200
    assert nobody.call("POST", "/api/auth/refresh", {"refreshToken": given["refreshToken"]}).status == 200
    assert _log_in(nobody, name).problem() == "wrong-credentials"
    assert _log_in(nobody, name, "quite another password").status == 200


def test_a_wrong_current_password_is_no_401(nobody: Api, name: str) -> None:
    """A client that sees 401 would refresh its tokens, and ask again: this is a field that is wrong."""
    api = Api(nobody.client, _log_in(nobody, name).json["accessToken"])
    answer = api.call("POST", CHANGE, {"currentPassword": "wrong", "newPassword": "quite another password"})
    assert (answer.status, answer.problem()) == (422, "wrong-credentials")
    assert answer.json["errors"] == [{"pointer": "/currentPassword", "message": "wrong password"}]


@pytest.mark.parametrize("password", ["password1", "PassWord1", "iloveyou"])
def test_a_common_password_is_refused(nobody: Api, password: str) -> None:
    """What everybody tries is 422, in any case."""
    user = {"username": "unlucky", "email": "unlucky@example.org", "password": password}
    answer = nobody.call("POST", "/api/users", user)
    assert (answer.status, answer.problem()) == (422, "common-password")


def test_guessing_gets_429_wherever_a_request_says_that_it_comes_from(
    nobody: Api, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway's word for the address counts, and no header; the owner's address doesn't wait."""
    assert _log_in(nobody, name).status == 200
    monkeypatch.setattr(LambdaEventConverter, "LOCAL_SOURCE_IP", "198.51.100.7")
    guesses = [
        _log_in(nobody, name, "guess", X_Forwarded_For="127.0.0.1", Forwarded="for=127.0.0.1")
        for _ in range(FREE + 1)
    ]
    assert [each.status for each in guesses] == [401] * FREE + [429]
    assert guesses[-1].problem() == "too-many-attempts"
    assert guesses[-1].headers["Retry-After"] == "1"
    monkeypatch.undo()
    assert _log_in(nobody, name).status == 200


def test_an_address_that_folds_into_more_than_a_key_takes_registers(nobody: Api) -> None:
    """A character can fold into eighteen; neither registering nor logging in fails for it."""
    email = "\ufdfa" * 240 + "@example.org"
    user = {"username": "folded", "email": email, "password": PASSWORD}
    assert _log_in(nobody, email).status == 401
    assert nobody.call("POST", "/api/users", user).status == 201
    assert _log_in(nobody, email).status == 200
