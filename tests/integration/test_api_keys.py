"""API keys over the API: what each scope opens, and what no key does."""

import pytest

from chalicelib.routes.api import Endpoint
from tests.integration.conftest import Api, counted
from tests.integration.test_api_access import CLOSED, _concrete

KEYS = "/api/users/me/keys"
#: What no key is enough for: what deletes, and the account. A route joins them, or leaves, by decision.
LOGIN_ONLY = {
    ("POST", "/api/users/me/password"),
    ("POST", KEYS),
    ("GET", KEYS),
    ("DELETE", KEYS + "/{keyId}"),
    ("DELETE", "/api/projects/{projectId}"),
    ("DELETE", "/api/projects/{projectId}/data/images/{imageId}"),
    ("POST", "/api/projects/{projectId}/data/images/delete"),
}


def make_key(api: Api, *scopes: str) -> Api:
    """A machine with a new key of these scopes."""
    made = api.call("POST", KEYS, {"name": "a machine", "scopes": list(scopes)})
    assert made.status == 201
    return Api(api.client, made.json["key"])


@pytest.fixture(scope="module")
def owner(nobody: Api) -> Api:
    return nobody.register()


@pytest.fixture(scope="module")
def machines(owner: Api) -> dict[str, Api]:
    """A key of each scope alone."""
    return {scope: make_key(owner, scope) for scope in ("read", "upload", "train")}


def test_what_no_key_opens_is_decided() -> None:
    """The endpoints without a scope are those named here; whatever reads has the scope read."""
    assert {(each.method, each.path) for each in CLOSED if each.scope is None} == LOGIN_ONLY
    assert {each.scope for each in CLOSED if each.method == "GET" and each.path != KEYS} == {"read"}
    assert {each.scope for each in CLOSED if each.method != "GET"} - {None, "upload", "train"} == {"read"}
    assert [each.path for each in CLOSED if each.method != "GET" and each.scope == "read"] == [
        "/api/projects/{projectId}/data/exports",
        "/api/projects/{projectId}/training/{sessionId}/predict",
    ]


@pytest.mark.parametrize("endpoint", CLOSED, ids=lambda each: f"{each.method} {each.path}")
def test_a_key_opens_what_its_scope_says(endpoint: Endpoint, machines: dict[str, Api]) -> None:
    """With a lacking scope it is 403, whether the path names something or nothing; else it gets in."""
    path = _concrete(endpoint.path, "/api/projects/none")
    for scope, machine in machines.items():
        answer = machine.send(endpoint.method, path, b"{}", endpoint.content_type)
        if scope == endpoint.scope:
            assert answer.status not in (401, 403)
        else:
            assert (answer.status, answer.problem()) == (403, "scope-missing")


def test_a_key_is_shown_once_listed_by_its_beginning_and_revoked(owner: Api) -> None:
    """The secret is in the answer that makes it alone; a revoked key is 401 at once."""
    body = {"name": "press", "scopes": ["train", "read", "read"], "expiresAt": "2099-01-01T00:00:00+01:00"}
    made = owner.call("POST", KEYS, body)
    key, path = made.json["key"], made.headers["Location"]
    machine = Api(owner.client, key)
    assert machine.call("GET", "/api/users/me").status == 200
    listed = owner.call("GET", KEYS)
    [shown] = [each for each in listed.json["items"] if each["keyId"] == made.json["keyId"]]
    assert key.startswith(shown["prefix"] + "_")
    assert key.rsplit("_", 1)[1] not in listed.body.decode()
    assert (shown["name"], shown["scopes"], shown["expiresAt"]) == (
        "press",
        ["read", "train"],
        "2098-12-31T23:00:00.000Z",
    )
    assert shown["lastUsedAt"] >= shown["createdAt"]
    assert "key" not in shown

    assert owner.call("DELETE", path).status == 204
    assert machine.call("GET", "/api/users/me").problem() == "unauthenticated"
    assert owner.call("DELETE", path).problem() == "key-not-found"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["admin"]}, "/scopes/0"),
        ({"scopes": ["read"] * 4}, "/scopes"),
        ({"name": " "}, "/name"),
        ({"expiresAt": "tomorrow"}, "/expiresAt"),
        ({"expiresAt": "2099-02-31T00:00:00Z"}, "/expiresAt"),
        ({"expiresAt": "2099-01-01T00:00:00"}, "/expiresAt"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "/expiresAt"),
        ({"expiresAt": "0001-01-01T00:00:00+14:00"}, "/expiresAt"),
        ({"expiresAt": 4_070_908_800}, "/expiresAt"),
        ({"userId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "/userId"),
        ({"secretSha256": "0" * 64}, "/secretSha256"),
    ],
)
def test_a_key_that_makes_no_sense_is_pointed_at(owner: Api, change: dict, pointer: str) -> None:
    """Each wrong field is 422 by its pointer, and no key is made."""
    before = owner.call("GET", KEYS).json
    answer = owner.call("POST", KEYS, {"name": "n", "scopes": ["read"]} | change)
    assert (answer.status, [each["pointer"] for each in answer.json["errors"]]) == (422, [pointer])
    assert owner.call("GET", KEYS).json == before


def test_a_request_with_a_key_costs_what_one_with_a_token_does(nobody: Api) -> None:
    """One read; the first use in five minutes is one write more."""
    machine = make_key(nobody.register(), "read")
    counts = []
    for _ in range(3):
        with counted() as calls:
            assert machine.call("GET", "/api/users/me").status == 200
        counts.append(calls["dynamodb"])
    assert counts == [2, 1, 1]
