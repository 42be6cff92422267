"""DynamoDB's pages, read without botocore's walk through every attribute."""

import json

import botocore.session
import pytest
from botocore.parsers import JSONParser

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.parsing import PlainAnswers

ITEM = {
    "S": {"S": "é"},
    "N": {"N": "1.5"},
    "L": {"L": [{"M": {"a": {"NULL": True}}}, {"BOOL": False}]},
    "SS": {"SS": ["a", "b"]},
}
BINARY = {"B": {"B": "AP8="}}
BINARIES = {"Many": {"BS": ["AP8=", ""]}}
QUERY = {"Items": [ITEM, {}], "Count": 2, "ScannedCount": 3, "LastEvaluatedKey": {"S": {"S": "é"}}}


@pytest.fixture(scope="module")
def shapes():
    """Operation -> the shape of its answer."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    return lambda name: model.operation_model(name).output_shape


@pytest.mark.parametrize(
    ("operation", "document"),
    [
        ("Query", QUERY),
        ("Query", QUERY | {"Items": [ITEM, BINARY]}),
        ("Query", QUERY | {"Items": [BINARIES]}),
        ("Query", QUERY | {"LastEvaluatedKey": None, "ConsumedCapacity": {"CapacityUnits": 1.5}}),
        ("Query", {}),
        (
            "BatchGetItem",
            {"Responses": {"T": [ITEM]}, "UnprocessedKeys": {"T": {"Keys": [{"S": {"S": "x"}}]}}},
        ),
        ("BatchGetItem", {"Responses": {"T": [ITEM | BINARY]}, "UnprocessedKeys": {}}),
        ("GetItem", {"Item": ITEM | BINARY}),
    ],
)
def test_answers_are_those_of_botocore(shapes, operation, document):
    """Whatever is in a page, plain or binary, the answer is botocore's own to the last member."""
    response = _response(200, document)
    own = PlainAnswers().create_parser("json").parse(response, shapes(operation))
    assert own == JSONParser().parse(response, shapes(operation))


@pytest.mark.parametrize("status", [400, 500])
def test_errors_are_those_of_botocore(shapes, status):
    """An error is read as botocore reads it."""
    response = _response(status, {"__type": "com.amazonaws.dynamodb#ThrottlingException", "message": "slow"})
    own = PlainAnswers().create_parser("json").parse(response, shapes("Query"))
    assert own == JSONParser().parse(response, shapes("Query"))
    assert own["Error"]["Code"] == "ThrottlingException"


def _response(status: int, document: dict) -> dict:
    headers = {"x-amzn-RequestId": "1", "Content-Type": "application/x-amz-json-1.0"}
    return {"status_code": status, "headers": headers, "body": json.dumps(document).encode(), "context": {}}


def test_a_page_is_not_walked_through(shapes, monkeypatch):
    """The items of a plain page never come to the parser's own handlers."""
    parser = PlainAnswers().create_parser("json")
    monkeypatch.setattr(type(parser), "_handle_list", lambda *_: pytest.fail("walked"))
    assert parser.parse(_response(200, QUERY), shapes("Query"))["Items"] == QUERY["Items"]
    with pytest.raises(pytest.fail.Exception):
        parser.parse(_response(200, QUERY | {"Items": [BINARY]}), shapes("Query"))


def test_the_clients_use_it(monkeypatch):
    """A client of ours reads its answers with it; a session of others' keeps botocore's own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    seen = []
    monkeypatch.setattr(PlainAnswers, "create_parser", lambda *_: seen.append(1) or _Stub())
    client = Aws().dynamodb
    from tests.unit.adapters.test_aws import _answer

    client.meta.events.register("before-send", lambda **_: _answer(200, QUERY))
    assert client.query(TableName="T", KeyConditionExpression="x")["stub"]
    assert seen


class _Stub:
    def parse(self, response, shape):
        return {"stub": True, "ResponseMetadata": {}}
