"""The API of an OpenAPI body: which path goes to which function, and what the gateway answers itself.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_PATH_VARIABLE = re.compile(r"\{(\w+)\}")
_FUNCTION = re.compile(r"\$\{(\w+)(?:\.Arn|Alias\w*)?\}/invocations")


@dataclass(frozen=True, slots=True)
class Route:
    """Attributes:
    method: in capitals.
    path: with its variables in braces.
    function: logical id of the function, or none where the gateway answers by itself.
    integration: as the body has it.
    """

    method: str
    path: str
    function: str | None
    integration: Mapping[str, Any]

    def match(self, path: str) -> dict[str, str] | None:
        """The path's variables, as they were sent; None for another path."""
        found = re.fullmatch(_PATH_VARIABLE.sub(r"(?P<\1>[^/]+)", self.path), path)
        return found.groupdict() if found else None


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """What the gateway answers by itself for one kind of failure."""

    status: int
    headers: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """Attributes:
    stage: the first part of every URL's path, which no route has.
    routes: every path with every method.
    binary_types: media types that are handed on in base64.
    responses: by their types, MISSING_AUTHENTICATION_TOKEN and so on.
    """

    stage: str
    routes: Sequence[Route]
    binary_types: Sequence[str]
    responses: Mapping[str, GatewayResponse]

    @classmethod
    def of(cls, stage: str, body: Mapping[str, Any]) -> "Api":
        """The API of an AWS::ApiGateway::RestApi's Body, with plain texts in it."""
        responses = body.get("x-amazon-apigateway-gateway-responses", {})
        return cls(
            stage=stage,
            routes=list(_routes(body["paths"])),
            binary_types=body.get("x-amazon-apigateway-binary-media-types", []),
            responses={kind: _response(each) for kind, each in responses.items()},
        )

    def is_binary(self, content_type: str) -> bool:
        kind = content_type.partition(";")[0].strip().lower()
        return kind in self.binary_types or "*/*" in self.binary_types

    def route(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request with the variables of its path; a literal path goes before a variable."""
        for route in sorted(self.routes, key=lambda each: each.path.count("{")):
            variables = route.match(path)
            if route.method == method and variables is not None:
                return route, variables
        return None


def _routes(paths: Mapping[str, Any]) -> Iterator[Route]:
    for path, item in paths.items():
        for method in item.keys() & set(_METHODS):
            integration = item[method]["x-amazon-apigateway-integration"]
            yield Route(method.upper(), path, _function(integration), integration)


def _function(integration: Mapping[str, Any]) -> str | None:
    if integration["type"].lower() != "aws_proxy":
        return None
    found = _FUNCTION.search(str(integration["uri"]))
    if found is None:
        raise ValueError(f"no function in {integration['uri']}")
    return found[1]


def _response(declared: Mapping[str, Any]) -> GatewayResponse:
    headers = {
        name.removeprefix("gatewayresponse.header."): value.strip("'")
        for name, value in declared.get("responseParameters", {}).items()
        if isinstance(value, str)  # the others are there on a condition, which by default doesn't hold
    }
    return GatewayResponse(int(declared.get("statusCode", 0)), headers, declared.get("responseTemplates", {}))
