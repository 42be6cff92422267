"""Bodies that no client should send, and the documents about the API."""

import logging

import pytest

from chalicelib.contract.ids import ulid
from tests.integration.conftest import Api

DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "malformed-json"),
        (b"{", "application/json", 400, "malformed-json"),
        (b'{"a": 1, "a": 2}', "application/json", 400, "malformed-json"),
        (b'{"username": NaN}', "application/json", 400, "malformed-json"),
        (b'{"username": Infinity}', "application/json", 400, "malformed-json"),
        (b"\xff\xfe", "application/json", 400, "malformed-json"),
        (DEEP, "application/json", 400, "malformed-json"),
        (b'{"a":' * 100_000, "application/json", 400, "malformed-json"),
        (b"[]", "application/json", 422, "invalid-fields"),
        (b"null", "application/json", 422, "invalid-fields"),
        (b"{}", "application/json", 422, "invalid-fields"),
        (b'{"username": 5, "email": [], "password": null}', "application/json", 422, "invalid-fields"),
        (b"username=x", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
    ],
)
def test_hostile_body_is_a_problem(
    nobody: Api, body: bytes, content_type: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A 4xx with a code, and at most one line in the log, without a traceback."""
    logging.getLogger("darkroom").propagate = True
    with caplog.at_level(logging.INFO, "darkroom"):
        answer = nobody.send("POST", "/api/users", body, content_type)
    assert (answer.status, answer.problem()) == (status, code)
    lines = [each for each in caplog.records if each.name == "darkroom"]
    assert len(lines) == 1
    assert lines[0].levelno == logging.INFO
    assert lines[0].exc_info is None


def test_wrong_fields_are_pointed_at(nobody: Api) -> None:
    """Every wrong field is named by its JSON pointer at once."""
    body = {"username": "a b", "email": "nobody", "password": "short", "admin": True}
    errors = nobody.call("POST", "/api/users", body).json["errors"]
    assert {each["pointer"] for each in errors} == {"/username", "/email", "/password", "/admin"}


def test_unknown_method_is_a_problem(nobody: Api) -> None:
    """405 names the methods that the path knows."""
    answer = nobody.call("DELETE", "/api/users")
    assert (answer.status, answer.problem()) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("image_id", [ulid(1), "..", "sha256#00", "x" * 300])
def test_unknown_image_is_not_found(api: Api, method: str, image_id: str) -> None:
    """An id that isn't there, or is no id, is 404; the markers in the table are no images."""
    answer = api.call(method, f"{api.project()}/data/images/{image_id}")
    assert (answer.status, answer.problem()) == (404, "image-not-found")


def test_taken_names_are_told(nobody: Api) -> None:
    """An email address or a username that is taken, in whatever case, is 409."""
    user = {"username": "taken-name", "email": "taken@example.org", "password": "a long enough password"}
    assert nobody.call("POST", "/api/users", user).status == 201
    same_email = user | {"username": "other-name", "email": "TAKEN@Example.org"}
    assert nobody.call("POST", "/api/users", same_email).problem() == "email-taken"
    same_name = user | {"username": "Taken-Name", "email": "other@example.org"}
    assert nobody.call("POST", "/api/users", same_name).problem() == "username-taken"


def test_wrong_password_and_unknown_user_look_alike(nobody: Api) -> None:
    """A login tells nobody which of the two was wrong."""
    user = {"username": "login-user", "email": "login@example.org", "password": "a long enough password"}
    nobody.call("POST", "/api/users", user)
    wrong = nobody.call("POST", "/api/auth/login", {"login": "login-user", "password": "wrong password"})
    unknown = nobody.call("POST", "/api/auth/login", {"login": "nobody-there", "password": "wrong password"})
    assert wrong.status == unknown.status == 401
    assert wrong.problem() == unknown.problem() == "wrong-credentials"


def test_projects_are_listed_changed_and_deleted(api: Api) -> None:
    """A project's life, newest first in the list, gone once deleted."""
    first, second = api.project(), api.project()
    listed = [each["projectId"] for each in api.call("GET", "/api/projects").json["items"]]
    assert listed == [second.rsplit("/", 1)[1], first.rsplit("/", 1)[1]]

    changed = api.call("PATCH", first, {"projectName": "renamed"}).json
    assert (changed["projectName"], changed["description"]) == ("renamed", "")
    assert api.call("GET", first).json == changed

    assert api.call("DELETE", first).status == 204
    assert api.call("GET", first).problem() == "project-not-found"
    assert api.call("POST", f"{first}/data/labels", {"labels": {"a": "b"}}).status == 404
    assert [each["projectId"] for each in api.call("GET", "/api/projects").json["items"]] == listed[:1]


def test_openapi_is_served(nobody: Api) -> None:
    """The document of the API is public."""
    document = nobody.call("GET", "/api/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert "/api/projects/{projectId}/training/start" in document["paths"]
