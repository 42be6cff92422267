"""OpenAPI, settings, and what the routes declare."""

import json
from dataclasses import fields

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import app
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.naming import camel
from chalicelib.openapi import document
from chalicelib.routes.api import STAGE
from chalicelib.routes.documentation import BLUEPRINTS
from chalicelib.settings import Settings

ENVIRONMENT = {
    "TABLE_PREFIX": "t-",
    "BUCKET": "b",
    "JOB_QUEUE": "q",
    "JOB_DEFINITION": "d",
    "DATA_JOB_QUEUE": "q",
    "DATA_JOB_DEFINITION": "d",
    "PREDICTOR": "p",
    "TRAINING_LOGS": "l",
    "SIGNING_SECRET": "s",
}
#: The endpoints that are asked for by name.
ASKED = [
    ("post", "/api/users"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/refresh"),
    ("post", "/api/auth/logout"),
    ("get", "/api/users/me"),
    ("get", "/api/projects"),
    ("post", "/api/projects"),
    ("get", "/api/projects/{projectId}"),
    ("patch", "/api/projects/{projectId}"),
    ("delete", "/api/projects/{projectId}"),
    ("post", "/api/projects/{projectId}/data/images"),
    ("get", "/api/projects/{projectId}/data/images"),
    ("get", "/api/projects/{projectId}/data/images/{imageId}"),
    ("delete", "/api/projects/{projectId}/data/images/{imageId}"),
    ("post", "/api/projects/{projectId}/data/uploads"),
    ("get", "/api/projects/{projectId}/data/uploads/{uploadId}"),
    ("post", "/api/projects/{projectId}/data/labels"),
    ("get", "/api/projects/{projectId}/data/labels"),
    ("get", "/api/projects/{projectId}/data/summary"),
    ("put", "/api/projects/{projectId}/training/configure"),
    ("get", "/api/projects/{projectId}/training/configure"),
    ("post", "/api/projects/{projectId}/training/start"),
    ("get", "/api/projects/{projectId}/training"),
    ("post", "/api/projects/{projectId}/training/{sessionId}/stop"),
    ("get", "/api/projects/{projectId}/training/{sessionId}/status"),
    ("get", "/api/projects/{projectId}/training/{sessionId}/results"),
    ("get", "/api/openapi.json"),
]
PUBLIC = {
    ("post", "/api/users"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/refresh"),
    ("post", "/api/auth/logout"),
    ("get", "/api/openapi.json"),
    ("get", "/api/"),
    ("get", "/api/docs"),
    ("get", "/api/console/{version}/{folder}/{file}"),
}


@pytest.fixture(scope="module")
def openapi() -> dict:
    made = document(endpoint for blueprint in BLUEPRINTS for endpoint in blueprint.endpoints)
    return json.loads(json.dumps(made))


def _operations(openapi: dict) -> dict:
    return {(method, path): each for path, item in openapi["paths"].items() for method, each in item.items()}


def test_the_document_is_openapi_3_1(openapi):
    """The document is valid by the specification's own schema."""
    assert openapi["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(openapi).iter_errors()) == []


def test_every_route_is_documented_and_every_operation_is_routed(openapi):
    """The app's routes and the document's operations are the same."""
    routed = {
        (method.lower(), f"/{STAGE}{path}")
        for path, methods in app.routes.items()
        for method in methods
        if method != "OPTIONS"  # preflights: routes/headers.py
    }
    assert set(_operations(openapi)) == routed


def test_every_endpoint_asked_for_is_there(openapi):
    """Paths and methods of the design, to the letter."""
    assert set(ASKED) <= set(_operations(openapi))


def test_all_but_the_public_operations_need_a_token(openapi):
    """Exactly what begins or ends a login, registration, this document and the console's files are open."""
    open_ones = {key for key, each in _operations(openapi).items() if each["security"] == []}
    assert open_ones == PUBLIC


def test_operations_have_ids_summaries_and_a_problem(openapi):
    """Each operation has an id of its own, a sentence, and the form of its errors, status by status."""
    operations = _operations(openapi).values()
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] for each in operations)
    for each in operations:
        errors = {status: answer for status, answer in each["responses"].items() if status[0] in "45"}
        assert {"400", "403", "422", "429", "5XX"} <= errors.keys()
        assert all("application/problem+json" in answer["content"] for answer in errors.values())
        assert "default" not in each["responses"]


def test_operations_name_the_scope_that_a_key_needs(openapi):
    """A scope stands with each operation that is open to API keys, and with no other."""
    scopes = {
        each.name: [{"bearer": []}, {"apiKey": [each.scope]}] if each.scope else [{"bearer": []}]
        for blueprint in BLUEPRINTS
        for each in blueprint.endpoints
        if not each.public
    }
    found = {each["operationId"]: each["security"] for each in _operations(openapi).values()}
    assert {name: security for name, security in found.items() if security} == scopes


@pytest.mark.parametrize("field", fields(TrainingConfig), ids=lambda each: each.name)
def test_each_training_parameter_is_documented_with_its_bounds(openapi, field):
    """The bounds, the default and the meaning of each parameter are those of the contract."""
    schema = openapi["components"]["schemas"]["TrainingConfigure"]["properties"][camel(field.name)]
    words = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    number = next((each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"), schema)
    assert {words[name]: limit for name, limit in field.metadata["bounds"].items()}.items() <= number.items()
    assert schema["description"] == field.metadata["doc"]
    assert schema["default"] == field.default


def test_settings_are_read_from_the_environment():
    """Each variable becomes the field of its name."""
    assert Settings.read(ENVIRONMENT).table_prefix == "t-"
    assert Settings.read(ENVIRONMENT | {"OTHER": "x"}) == Settings.read(ENVIRONMENT)


def test_origins_are_a_list_without_wildcards():
    """No origin by default; origins with commas between them; a wildcard or a path is refused at once."""
    assert Settings.read(ENVIRONMENT).origins == frozenset()
    two = Settings.read(ENVIRONMENT | {"CORS_ORIGINS": "https://a.example,http://localhost:5173"})
    assert two.origins == {"https://a.example", "http://localhost:5173"}
    for broken in (
        "*",
        "https://*.example",
        "a.example",
        "https://a.example/",
        "https://a.example, https://b",
    ):
        with pytest.raises(RuntimeError, match="CORS_ORIGINS"):
            Settings.read(ENVIRONMENT | {"CORS_ORIGINS": broken})


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_setting_is_named(name):
    """A variable that is not set, or empty, fails at once by its name."""
    for broken in ({k: v for k, v in ENVIRONMENT.items() if k != name}, ENVIRONMENT | {name: ""}):
        with pytest.raises(RuntimeError, match=name):
            Settings.read(broken)
