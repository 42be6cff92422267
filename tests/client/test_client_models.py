"""The client's models and endpoints beside the OpenAPI document, and decoding."""

from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from darkroom import endpoints, models
from darkroom.checks import is_served
from darkroom.errors import UnexpectedAnswerError
from darkroom.models.decoding import MODELS, decode, encode, json_name

from chalicelib.openapi import document
from chalicelib.routes.documentation import BLUEPRINTS

OPENAPI = document(each for blueprint in BLUEPRINTS for each in blueprint.endpoints)
SCHEMAS = OPENAPI["components"]["schemas"]
_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}
ENDPOINTS = {name: each for name, each in vars(endpoints).items() if isinstance(each, endpoints.Endpoint)}


def answer_of(endpoint: endpoints.Endpoint[Any]) -> dict[str, Any] | None:
    """The schema of an endpoint's answer, or of a page's items."""
    path = next(each for each in OPENAPI["paths"] if is_served_at(endpoint, each))
    operation = OPENAPI["paths"][path][endpoint.method.lower()]
    good = next(each for status, each in operation["responses"].items() if status.startswith("2"))
    if "content" not in good:
        return None
    schema: dict[str, Any] = good["content"]["application/json"]["schema"]
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = SCHEMAS[name]
        if not name.startswith("Page"):
            return {"name": name}
        schema = schema["properties"]["items"]["items"]
    raise AssertionError(schema)


def is_served_at(endpoint: endpoints.Endpoint[Any], path: str) -> bool:
    return is_served(endpoint, {"paths": {path: OPENAPI["paths"][path]}})


@pytest.mark.parametrize("name", ENDPOINTS)
def test_each_endpoint_is_in_the_document_with_its_answer(name: str) -> None:
    """What the client calls is there, and answers with the schema that its model is of."""
    endpoint = ENDPOINTS[name]
    schema = answer_of(endpoint)
    if schema is None:
        assert endpoint.answer is NoneType
    else:
        assert MODELS[schema["name"]] is endpoint.answer


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_endpoint_needs_a_login_where_the_document_says_so(name: str) -> None:
    """A token goes exactly where it is asked for."""
    endpoint = ENDPOINTS[name]
    path = next(each for each in OPENAPI["paths"] if is_served_at(endpoint, each))
    assert endpoint.is_public == (OPENAPI["paths"][path][endpoint.method.lower()]["security"] == [])


def test_what_may_be_sent_twice_is_said() -> None:
    """A request that makes something is repeated only with an idempotency key, which the API must know."""
    for name, endpoint in ENDPOINTS.items():
        if endpoint.is_repeatable or endpoint.is_public or name == "CREATE_PROJECT":
            continue
        path = next(each for each in OPENAPI["paths"] if is_served_at(endpoint, each))
        parameters = OPENAPI["paths"][path][endpoint.method.lower()]["parameters"]
        assert "Idempotency-Key" in [each["name"] for each in parameters], name


@pytest.mark.parametrize("schema", MODELS)
def test_a_model_has_exactly_the_members_of_its_schema(schema: str) -> None:
    """Every member is in the model and the reverse, with its type, and left out only where it may be."""
    described, model = SCHEMAS[schema], MODELS[schema]
    hints, members = get_type_hints(model), {json_name(each): each for each in fields(model)}
    assert members.keys() == described["properties"].keys()
    required = set(described.get("required", ()))
    for name, member in members.items():
        expected = described["properties"][name]
        assert kinds(hints[member.name]) == described_kinds(expected), f"{schema}.{name}"
        if member.default is MISSING:
            assert name in required, f"{schema}.{name} may be left out"


def kinds(hint: Any) -> set[Any]:
    """What a member may be: models by their schema, lists by what is in them."""
    if get_origin(hint) in (Union, UnionType):
        return {kind for each in get_args(hint) for kind in kinds(each)}
    if get_origin(hint) is Literal:
        return {str}
    if get_origin(hint) is list:
        return {("list", frozenset(kinds(get_args(hint)[0])))}
    if get_origin(hint) is dict:
        return {dict}
    return {next((name for name, model in MODELS.items() if model is hint), hint)}


def described_kinds(schema: dict[str, Any]) -> set[Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {name} if name in MODELS else described_kinds(SCHEMAS[name])
    if "anyOf" in schema:
        return {kind for each in schema["anyOf"] for kind in described_kinds(each)}
    if schema.get("type") == "null":
        return {NoneType}
    if schema.get("type") == "array":
        return {("list", frozenset(described_kinds(schema["items"])))}
    return {_TYPES[schema["type"]]}


def test_states_of_a_run_are_those_of_the_document() -> None:
    """A state that the client doesn't know would never be seen as over."""
    assert set(get_args(models.RunState)) == set(SCHEMAS["Status"]["enum"])
    assert set(models.OVER) < set(get_args(models.RunState))


PROJECT = {
    "projectId": "p", "projectName": "pets", "description": "", "taskType": "detection", "createdAt": "now",
}  # fmt: skip


def test_a_model_comes_back_as_it_went() -> None:
    """Decoding and encoding are each other's reverse, in the API's spelling."""
    assert encode(decode(models.ProjectInfo, PROJECT)) == PROJECT
    figures = {"class": "cat", "precision": 1, "recall": 0.5, "f1": 0.6, "support": 3}
    [kind] = [each for each in MODELS.values() if each.__name__ == "ClassFigures"]
    assert encode(decode(kind, figures)) == figures | {"averagePrecision": None, "averagePrecision50": None}


def test_a_newer_server_is_understood() -> None:
    """Members and words that the client doesn't know are no error."""
    newer = PROJECT | {"taskType": "segmentation", "colour": {"name": "red"}}
    assert decode(models.ProjectInfo, newer).task_type == "segmentation"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"projectName": 5}, "projectName"),
        ({"projectName": None}, "projectName"),
        ({"createdAt": ["now"]}, "createdAt"),
    ],
)
def test_another_type_is_named(change: dict[str, Any], where: str) -> None:
    """An answer of another form says which member it is."""
    with pytest.raises(UnexpectedAnswerError, match=where):
        decode(models.ProjectInfo, PROJECT | change)


def test_a_missing_member_is_named() -> None:
    """So is one that isn't there, and a document that is no object."""
    with pytest.raises(UnexpectedAnswerError, match="projectId"):
        decode(models.ProjectInfo, {"projectName": "pets"})
    with pytest.raises(UnexpectedAnswerError, match="object"):
        decode(models.ProjectInfo, [])
