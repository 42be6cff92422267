"""Bodies and queries that nobody should send, to every operation that takes them."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from chalicelib import openapi
from chalicelib.contract.attributes import unmarshal
from chalicelib.contract.tables import PROJECTS, USERS
from chalicelib.routes.documentation import BLUEPRINTS
from infra.local.aws import EmbeddedAws
from tests.integration.conftest import PASSWORD, Answer, Api
from tests.integration.reliability.foreign import World, spread
from tests.integration.reliability.test_foreign_ids import BODIES as BELOW_PROJECTS

ENDPOINTS = [each for blueprint in BLUEPRINTS for each in blueprint.endpoints]
#: A body that each operation takes, or would.
BODIES: dict[str, Any] = BELOW_PROJECTS | {
    "register": {"username": "some-body", "email": "some@example.org", "password": PASSWORD},
    "change_password": {"currentPassword": "not the password", "newPassword": "a longer password still"},
    "log_in": {"login": "nobody", "password": PASSWORD},
    "refresh": {"refreshToken": "none"},
    "log_out": {"refreshToken": "none"},
    "make_key": {"name": "k", "scopes": ["read"]},
    "create_project": {"projectName": "p"},
}
WITH_BODY = [each for each in ENDPOINTS if each.body]
READS = [each for each in ENDPOINTS if each.method == "GET"]
#: What is in our rows and in nobody's requests.
PRIVILEGED = {
    "userId": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "UserID": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "passwordHash": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$x",
    "tokenVersion": 0,
    "apiKeys": {},
    "isAdmin": True,
    "role": "admin",
    "createdAt": "2001-01-01T00:00:00.000Z",
    "deletedAt": None,
    "removing": "removing",
    "projectId": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "currentConfigId": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "sessionId": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "status": "completed",
    "resultsKey": "projects/x",
    "attempt": 9,
    "generation": 9,
    "__proto__": {},
    "$where": "1",
}
#: Bodies that are no JSON, or none of ours, whatever the operation.
BROKEN: Mapping[str, bytes] = {
    "nothing but space": b" \n",
    "half": b'{"a": ',
    "two": b"{} {}",
    "NaN": b'{"a": NaN}',
    "infinite": b'{"a": -Infinity}',
    "too large a number": b'{"a": 1e999}',
    "a long number": b'{"a": ' + b"9" * 5000 + b"}",
    "a deep list": b'{"a": ' + b"[" * 100_000,
    "a deep object": b'{"a":' * 100_000,
    "deep and closed": b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "bad UTF-8": b'{"a": "\xff\xfe"}',
    "half of a UTF-8 character": b'{"a": "\xc3',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a lone surrogate": b'{"\\ud800": "\\udfff"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "a member twice": b'{"a": 1, "a": 2}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a zero byte": b'{"a": "\x00"}',
    "a list": b"[]",
    "a text": b'"{}"',
    "nothing": b"null",
}
#: Values that a member may be given; each is wrong for some.
VALUES: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "a negative number": -1,
    "a huge number": 10**400,
    "a tiny number": 5e-324,
    "a text": "x",
    "an empty text": "",
    "a long text": "x" * 100_000,
    "a lone surrogate": "\ud800",
    "a zero byte": "\x00",
    "a list": [],
    "a list of lists": [[[[]]]],
    "an object": {},
    "an object of surrogates": {"\udfff": "\ud800"},
    "a path": "../../etc/passwd",
    "an expression": "attribute_exists(#UserID) OR :x",
}
QUERIES = (
    "?", "?&&", "?=", "?limit", "?limit=", "?limit=0", "?limit=1e9", "?limit=-1", "?limit=NaN",
    "?cursor=%00", "?cursor=%ff", "?cursor=%ed%a0%80", "?cursor=7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "?userId=01ARZ3NDEKTSV4RRFFQ69G5FAV", "?limit=1&limit=2", "?%ud800=1",
)  # fmt: skip


def _members(endpoint: Any) -> list[str]:
    return [each.alias or name for name, each in endpoint.body.model_fields.items()]


def _added(endpoint: Any) -> dict[str, Any]:
    return {name: value for name, value in PRIVILEGED.items() if name not in _members(endpoint)}


#: Each member of each body with each value, one at a time.
CHANGED = [
    (each, f"{name}: {what}", json.dumps(BODIES[each.name] | {name: value}).encode())
    for each in WITH_BODY
    for name in _members(each)
    for what, value in VALUES.items()
]


@pytest.fixture(scope="module")
def world(nobody: Api) -> World:
    return World.of(nobody.register())


def _send(world: World, endpoint: Any, raw: bytes, query: str = "") -> Answer:
    path = endpoint.path.format(**world.ids) + query
    return world.api.send(endpoint.method, path, raw, endpoint.content_type)


def _found(
    answers: Iterator[tuple[str, Answer]], is_right: Callable[[Answer], bool]
) -> tuple[int, list[str]]:
    sent, wrong = 0, []
    for what, answer in answers:
        sent += 1
        if not is_right(answer):
            wrong.append(f"{what}: {answer.status} {answer.body[:200]!r}")
    return sent, wrong


def test_every_operation_with_a_body_has_one_here() -> None:
    """An operation that is new is fuzzed by hand too."""
    assert {each.name for each in WITH_BODY} == BODIES.keys()


@pytest.mark.injects(
    "a body that is no JSON: cut, deep, NaN, too large a number, bad UTF-8, surrogates; to each operation",
    times=120,
    soak=350,
    outcome="400 or 422 with a code",
)
def test_what_is_no_body_is_refused(world: World, times: int) -> None:
    """Every operation that takes JSON refuses what isn't, or isn't an object of its members."""
    chosen = spread(list(product(WITH_BODY, BROKEN)), times)
    answers = ((f"{endpoint.name} {what}", _send(world, endpoint, BROKEN[what])) for endpoint, what in chosen)
    sent, wrong = _found(answers, lambda answer: answer.status in (400, 422) and bool(answer.problem()))
    assert not wrong, "\n".join(wrong)
    assert sent == times


@pytest.mark.injects(
    "a query that makes no sense: empty, cut, doubled, unknown, not UTF-8; to each operation that reads",
    times=100,
    soak=300,
    outcome="what was asked for, or 422 with a code",
)
def test_a_strange_query_is_read_or_refused(world: World, times: int) -> None:
    """Without a query, or with any, a read answers or says what is wrong with it."""
    chosen = spread(list(product(READS, QUERIES)), times)
    answers = ((f"{endpoint.name} {query}", _send(world, endpoint, b"", query)) for endpoint, query in chosen)
    # The results of a run that isn't over are 409.
    sent, wrong = _found(answers, lambda answer: answer.status in (200, 409, 422))
    assert not wrong, "\n".join(wrong)
    assert sent == times


@pytest.mark.injects(
    "a member that no request has, such as userId, passwordHash, tokenVersion or status, in each body",
    times=300,
    soak=300,
    outcome="422 that points at it, and the rows stay as they were",
)
def test_no_member_is_assigned_that_is_not_asked_for(world: World, stack: EmbeddedAws, times: int) -> None:
    """Rows are written member by member: what a client adds changes neither its user nor its project."""
    before = _rows(world, stack)
    injected = 0
    for endpoint in WITH_BODY:
        added = _added(endpoint)
        answer = _send(world, endpoint, json.dumps(BODIES[endpoint.name] | added).encode())
        assert answer.status == 422, endpoint.name
        assert {each["pointer"] for each in answer.json["errors"]} == {f"/{name}" for name in added}
        injected += len(added)
    assert _rows(world, stack) == before
    assert injected >= times


def _rows(world: World, stack: EmbeddedAws) -> list[Any]:
    me = world.api.call("GET", "/api/users/me").json["userId"]
    keys = ((USERS, {"UserID": me}), (PROJECTS, {"ProjectID": world.ids["projectId"]}))
    return [
        unmarshal(
            stack.client("dynamodb").get_item(
                TableName=stack.outputs["TablePrefix"] + table,
                Key={name: {"S": value} for name, value in key.items()},
            )["Item"]
        )
        for table, key in keys
    ]


@pytest.mark.injects(
    "a value of another type or size in a member of a body",
    times=120,
    soak=1_000,
    outcome="taken or refused with a documented status, never a 5xx; what was taken can be read",
)
def test_a_strange_value_is_taken_or_refused(world: World, times: int) -> None:
    """No member brings a 5xx, whatever it holds; what is taken can be read again."""
    chosen = spread(CHANGED, times)
    answers = ((f"{endpoint.name} {what}", _send(world, endpoint, raw)) for endpoint, what, raw in chosen)
    sent, wrong = _found(answers, _is_foreseen)
    assert not wrong, "\n".join(wrong)
    assert sent == times
    _, wrong = _found(((each.path, _send(world, each, b"")) for each in READS), _is_foreseen)
    assert not wrong, "\n".join(wrong)


def _is_foreseen(answer: Answer) -> bool:
    return answer.status < 500


def test_the_document_has_no_privileged_member() -> None:
    """No answer shows what only the rows have."""
    document = json.dumps(openapi.document(ENDPOINTS))
    for name in ("passwordHash", "tokenVersion", "secretSha256", "apiKeys", "resultsKey", "deletedAt"):
        assert f'"{name}"' not in document
