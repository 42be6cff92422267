"""OpenAPI 3.1, generated from the declared endpoints and the models that validate them."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from .contract.ids import PATTERN
from .problems import MEDIA_TYPE
from .routes.api import Endpoint
from .routes.body import MAX_FILES
from .routes.idempotency import MAX_KEY
from .schemas.base import Problem
from .services.api_keys import MARK

_REFERENCE = "#/components/schemas/{model}"
_FILES = {
    "type": "object",
    "required": ["images"],
    "properties": {
        "images": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "maxItems": MAX_FILES,
        },
    },
}
_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token, from a login; it reaches everything that is the user's.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": f"{MARK}…",
        "description": "An API key; an operation names the scope that it needs: read, upload or train.",
    },
}
#: What the request headers hold that views read.
_HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "If-None-Match": {"type": "string"},
}
_ID = {"type": "string", "pattern": f"^{PATTERN}$"}


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of the endpoints."""
    endpoints = list(endpoints)
    models = {(model, "validation") for each in endpoints if (model := each.body)}
    models |= {(model, "serialization") for each in endpoints for model in each.answers.values() if model}
    models |= {(Problem, "serialization")}
    ordered = sorted(models, key=lambda entry: (entry[0].__name__, entry[1]))
    references, schemas = models_json_schema(ordered, ref_template=_REFERENCE)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": "1",
            "description": "Train image models in your own cloud account.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _operation(endpoint: Endpoint, references: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": {
            str(status): _answer(references[(model, "serialization")] if model else None)
            for status, model in endpoint.answers.items()
        }
        | dict.fromkeys(
            _problem_statuses(endpoint),
            _answer(references[(Problem, "serialization")], MEDIA_TYPE, "A problem, as RFC 9457 has it."),
        ),
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        operation["requestBody"] = _content(
            references[(endpoint.body, "validation")], endpoint.content_type, not endpoint.body_optional
        )
    elif endpoint.content_type != "application/json":
        schema = _file(endpoint.file) if endpoint.file else _FILES
        operation["requestBody"] = _content(schema, endpoint.content_type)
    return operation


def _problem_statuses(endpoint: Endpoint) -> list[str]:
    """With which statuses an endpoint's errors come, API Gateway's own among them."""
    # A request that can't be read, an address that may not, an unknown query parameter, too many requests.
    statuses = {400, 403, 422, 429, *endpoint.problems}
    if not endpoint.public:
        statuses |= {401}
    if "{" in endpoint.path:
        statuses |= {404}
    if endpoint.has_body:
        statuses |= {413, 415}
    if "Idempotency-Key" in endpoint.headers:
        statuses |= {409}
    return [*map(str, sorted(statuses)), "5XX"]


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.public:
        return []
    by_key: list[dict[str, list[str]]] = [{"apiKey": [endpoint.scope]}] if endpoint.scope else []
    return [{"bearer": []}, *by_key]


def _file(field: str) -> dict[str, Any]:
    """A form with one file."""
    return {
        "type": "object",
        "required": [field],
        "properties": {field: {"type": "string", "format": "binary"}},
    }


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _ID if name.endswith("Id") else {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    in_query = [
        {
            "name": name,
            "in": "query",
            "description": each.description,
            "schema": TypeAdapter(each.kind).json_schema()
            | ({} if each.default is None else {"default": each.default}),
        }
        for name, each in endpoint.query.items()
    ]
    in_header = [
        {"name": name, "in": "header", "description": meaning, "schema": _HEADERS[name]}
        for name, meaning in endpoint.headers.items()
    ]
    return in_path + in_query + in_header


def _content(schema: Any, media_type: str, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {media_type: {"schema": schema}}}


def _answer(schema: Any, media_type: str = "application/json", description: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {"description": description or "As asked for."}
    if schema is not None:
        answer["content"] = {media_type: {"schema": schema}}
    return answer
