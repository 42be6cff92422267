"""Who gets in: every route that isn't public is closed."""

import os
import re

import jwt
import pytest

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.signing import SecretVersions
from chalicelib.contract.ids import ulid
from chalicelib.contract.signing import KeyRing
from chalicelib.routes.api import STAGE, Endpoint
from chalicelib.routes.documentation import BLUEPRINTS
from chalicelib.settings import Settings
from tests.integration.conftest import Api

ENDPOINTS = [each for blueprint in BLUEPRINTS for each in blueprint.endpoints]
CLOSED = [each for each in ENDPOINTS if not each.public]
PUBLIC = {
    "/api/users",
    "/api/auth/login",
    "/api/auth/refresh",
    "/api/auth/logout",
    "/api/openapi.json",
    "/api/",
    "/api/docs",
    "/api/console/{version}/{folder}/{file}",
}


def _requests(app_routes: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    return [
        (method, f"/{STAGE}{path}")
        for path, methods in app_routes.items()
        for method in methods
        if method != "OPTIONS"  # preflights, which look at nothing: routes/headers.py
    ]


def test_every_route_is_declared(nobody: Api) -> None:
    """No route is registered past the declarations that decide who gets in."""
    from app import app

    assert sorted(_requests(app.routes)) == sorted((each.method, each.path) for each in ENDPOINTS)


def test_only_the_named_routes_are_public() -> None:
    """A route becomes public by decision: this list has to change with it."""
    assert {each.path for each in ENDPOINTS if each.public} == PUBLIC
    assert all(each.method in ("POST", "GET") for each in ENDPOINTS if each.public)


def _concrete(path: str, project: str) -> str:
    return re.sub(r"{\w+}", ulid(1), path.replace("/api/projects/{projectId}", project))


@pytest.mark.parametrize("endpoint", CLOSED, ids=lambda each: f"{each.method} {each.path}")
def test_closed_route_refuses_everybody_else(endpoint: Endpoint, nobody: Api, api: Api) -> None:
    """Without a token, with an expired, a forged or a refresh token it is 401; a foreign project is 404."""
    owner = nobody.register()
    path = _concrete(endpoint.path, owner.project())
    method, content_type = endpoint.method, endpoint.content_type

    for token in (None, "nonsense", _expired(owner), _unsigned(owner), _refresh(nobody)):
        answer = Api(nobody.client, token).send(method, path, b"{}", content_type)
        assert answer.status == 401, token
        assert answer.problem() in ("unauthenticated", "token-expired")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    if "{projectId}" in endpoint.path:
        assert api.send(method, path, b"{}", content_type).status == 404


def _claims(api: Api) -> dict[str, object]:
    return jwt.decode(api.token or "", options={"verify_signature": False})


def _expired(api: Api) -> str:
    """A token with the right signature whose time is over."""
    secret = SecretVersions(Aws(), Settings.read(os.environ).signing_secret)
    signing = KeyRing.parse(secret.current()).current
    return jwt.encode(
        _claims(api) | {"iat": 1, "exp": 2}, signing.key, "HS256", headers={"kid": signing.key_id}
    )


def _unsigned(api: Api) -> str:
    return jwt.encode(_claims(api), None, "none")


def _refresh(nobody: Api) -> str:
    """A refresh token, which is no access token."""
    name = "r-" + ulid(1).lower()[-12:]
    user = {"username": name, "email": f"{name}@example.org", "password": "a long enough password"}
    nobody.call("POST", "/api/users", user)
    login = nobody.call("POST", "/api/auth/login", {"login": name, "password": "a long enough password"})
    return str(login.json["refreshToken"])


def test_foreign_and_missing_projects_look_alike(nobody: Api, api: Api) -> None:
    """Nobody can tell a project that isn't theirs from one that never was."""
    foreign = api.call("GET", nobody.register().project()).json
    missing = api.call("GET", f"/api/projects/{ulid(1)}").json
    malformed = api.call("GET", "/api/projects/not-an-id").json
    for document in (foreign, missing, malformed):
        del document["requestId"]
    assert foreign == missing == malformed


def test_session_of_another_project_is_not_found(api: Api) -> None:
    """A session is read below its project's key, so the own project opens no foreign session."""
    assert api.call("GET", f"{api.project()}/training/{ulid(1)}/status").problem() == "session-not-found"


def test_logout_everywhere_ends_access_tokens(nobody: Api) -> None:
    """After `everywhere` no token that was given out before works."""
    user = {"username": "leaver", "email": "leaver@example.org", "password": "a long enough password"}
    nobody.call("POST", "/api/users", user)
    login = nobody.call("POST", "/api/auth/login", {"login": "LEAVER", "password": user["password"]}).json
    api = Api(nobody.client, login["accessToken"])
    assert api.call("GET", "/api/users/me").json["email"] == "leaver@example.org"

    body = {"refreshToken": login["refreshToken"], "everywhere": True}
    assert nobody.call("POST", "/api/auth/logout", body).status == 204
    assert api.call("GET", "/api/users/me").status == 401
    refused = nobody.call("POST", "/api/auth/refresh", {"refreshToken": login["refreshToken"]})
    assert refused.status == 401


def test_refresh_gives_tokens_that_work_once(nobody: Api) -> None:
    """A refresh token works once; its second use ends the login for the newer one too."""
    user = {"username": "again", "email": "again@example.org", "password": "a long enough password"}
    nobody.call("POST", "/api/users", user)
    login = nobody.call("POST", "/api/auth/login", {"login": "again", "password": user["password"]}).json
    fresh = nobody.call("POST", "/api/auth/refresh", {"refreshToken": login["refreshToken"]}).json
    assert Api(nobody.client, fresh["accessToken"]).call("GET", "/api/users/me").status == 200

    again = nobody.call("POST", "/api/auth/refresh", {"refreshToken": login["refreshToken"]})
    assert again.problem() == "refresh-token-reused"
    assert nobody.call("POST", "/api/auth/refresh", {"refreshToken": fresh["refreshToken"]}).status == 401
