"""The gateway in front of the packaged functions, with functions of a few lines."""

import json
from base64 import b64decode

import pytest
import urllib3

from infra.local.functions import PayloadTooLargeError
from infra.local.runtime_api import FunctionError, FunctionTimeoutError
from infra.packaged.gateway import gateway
from infra.packaged.openapi import Api

URI = {"Fn::Sub": "arn:aws:apigateway:x:lambda:path/2015-03-31/functions/${APIHandler.Arn}/invocations"}
METHOD = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI}}
PREFLIGHT = {
    "x-amazon-apigateway-integration": {
        "type": "mock",
        "responses": {
            "default": {
                "statusCode": "204",
                "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
            }
        },
    }
}
BODY = {
    "paths": {
        "/things/{thingId}": {"get": METHOD, "put": METHOD, "options": PREFLIGHT},
        "/things/all": {"get": METHOD},
    },
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-gateway-responses": {
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": 404,
            "responseParameters": {"gatewayresponse.header.Content-Type": "'application/problem+json'"},
            "responseTemplates": {"application/json": '{"requestId": "$context.requestId"}'},
        },
        "DEFAULT_5XX": {"responseTemplates": {"application/json": '{"kind": "$context.error.responseType"}'}},
    },
}


def echo(event):
    """The event itself; or what its path asks for."""
    match event["pathParameters"] and event["pathParameters"]["thingId"]:
        case "slow":
            raise FunctionTimeoutError
        case "broken":
            raise FunctionError
        case "large":
            raise PayloadTooLargeError
        case "odd":
            return "no answer"
        case "picture":
            headers = {"Content-Type": "image/png"}
            return {"statusCode": 200, "headers": headers, "body": "iVBORw==", "isBase64Encoded": True}
    several = {"Set-Cookie": ["a=1", "b=2"]}
    return {
        "statusCode": 201,
        "headers": {"X-One": 1},
        "multiValueHeaders": several,
        "body": json.dumps(event),
    }


@pytest.fixture(scope="module")
def url():
    with gateway(Api.of("api", BODY), {"APIHandler": echo}) as address:
        yield address


@pytest.fixture(scope="module")
def pool():
    return urllib3.PoolManager()


def test_a_request_becomes_a_proxy_event(url, pool):
    """Path variables as sent, the query decoded, several values beside the last one, the stage left out."""
    answer = pool.request("GET", f"{url}/api/things/a%20b?x=1&x=%C3%A4", headers={"Accept": "text/html"})
    event = json.loads(answer.data)
    assert (event["resource"], event["path"]) == ("/things/{thingId}", "/things/a%20b")
    assert event["pathParameters"] == {"thingId": "a%20b"}
    assert event["queryStringParameters"] == {"x": "ä"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "ä"]}
    assert event["headers"]["Accept"] == "text/html"
    assert (event["requestContext"]["path"], event["requestContext"]["stage"]) == ("/api/things/a%20b", "api")
    assert (event["body"], event["isBase64Encoded"]) == (None, False)


def test_an_answers_headers_are_handed_on(url, pool):
    """A status, single headers and several of one name come back as the function gave them."""
    answer = pool.request("GET", f"{url}/api/things/a")
    assert answer.status == 201
    assert answer.headers["X-One"] == "1"
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_a_literal_path_goes_before_a_variable(url, pool):
    """Of two routes that fit, the one without a variable is taken."""
    assert json.loads(pool.request("GET", f"{url}/api/things/all").data)["resource"] == "/things/all"


@pytest.mark.parametrize(("kind", "is_binary"), [("image/png", True), ("application/json", False)])
def test_binary_types_alone_are_base64(url, pool, kind, is_binary):
    """A body of a binary type reaches the function in base64, and another one as text."""
    answer = pool.request("PUT", f"{url}/api/things/a", body=b"\x89PN", headers={"Content-Type": kind})
    event = json.loads(answer.data)
    assert event["isBase64Encoded"] is is_binary
    assert not is_binary or b64decode(event["body"]) == b"\x89PN"


@pytest.mark.parametrize(("accept", "body"), [("image/png", b"\x89PNG"), ("text/html", b"iVBORw==")])
def test_binary_answers_are_for_those_who_accept_them(url, pool, accept, body):
    """A base64 answer is decoded where the request accepts a binary type, and stays base64 elsewhere."""
    answer = pool.request("GET", f"{url}/api/things/picture", headers={"Accept": accept})
    assert answer.data == body


@pytest.mark.parametrize(("thing", "status"), [("slow", 504), ("broken", 502), ("odd", 502), ("large", 413)])
def test_a_function_without_an_answer_is_the_gateways_refusal(url, pool, thing, status):
    """Too slow, raised, no proper answer and too large an event: each with API Gateway's own status."""
    assert pool.request("GET", f"{url}/api/things/{thing}").status == status


def test_the_templates_own_responses_are_used(url, pool):
    """What the template declares of a kind of failure is answered, with the request's context in it."""
    missing = pool.request("GET", f"{url}/api/nothing")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(missing.data)["requestId"] == missing.headers["x-amzn-RequestId"]
    slow = pool.request("GET", f"{url}/api/things/slow")
    assert json.loads(slow.data) == {"kind": "INTEGRATION_TIMEOUT"}


@pytest.mark.parametrize("path", ["/things/all", "/other/things/all"])
def test_another_stage_is_no_path(url, pool, path):
    """Without the stage's name in front, or with another, there is no such path."""
    assert pool.request("GET", url + path).status == 404


def test_a_request_over_ten_megabytes_is_refused(url, pool):
    """A body over API Gateway's limit reaches no function."""
    assert pool.request("PUT", f"{url}/api/things/a", body=bytes(10 * 1024 * 1024 + 1)).status == 413


def test_preflight_is_the_gateways_own(url, pool):
    """A mock integration answers by itself, with the headers that it declares."""
    answer = pool.request("OPTIONS", f"{url}/api/things/a")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
