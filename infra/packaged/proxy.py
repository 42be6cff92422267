"""The event of a REST API's Lambda proxy integration.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
"""

import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in.

    Attributes:
        method: in capitals.
        stage: the first part of the URL's path.
        path: what follows it.
        query: still encoded.
        headers: in their order.
        body: nothing where there is none.
        request_id: a new one.
    """

    method: str
    stage: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    request_id: str


def proxy_event(
    request: Request, resource: str, variables: Mapping[str, str], is_binary: bool
) -> dict[str, Any]:
    """What a function gets: single values are the last of several, and binary bodies are base64."""
    headers, query = list(request.headers), parse_qsl(request.query, keep_blank_values=True)
    content = b64encode(request.body) if is_binary else request.body
    return {
        "resource": resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _several(headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _several(query),
        "pathParameters": dict(variables) or None,
        "stageVariables": None,
        "requestContext": _context(request, resource, dict(headers)),
        "body": content.decode(errors="replace") if request.body else None,
        "isBase64Encoded": is_binary and bool(request.body),
    }


def _several(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]] | None:
    names = dict(pairs)
    return {name: [value for each, value in pairs if each == name] for name in names} or None


def _context(request: Request, resource: str, headers: Mapping[str, str]) -> dict[str, Any]:
    now = time.time()
    host = headers.get("Host", "")
    return {
        "accountId": "123456789012",
        "apiId": "local",
        "domainName": host,
        "domainPrefix": "local",
        "extendedRequestId": request.request_id,
        "httpMethod": request.method,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": headers.get("User-Agent")},
        "path": f"/{request.stage}{request.path}",
        "protocol": "HTTP/1.1",
        "requestId": request.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(1000 * now),
        "resourceId": "local",
        "resourcePath": resource,
        "stage": request.stage,
    }
