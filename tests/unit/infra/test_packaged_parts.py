"""How a packaged template is cut down for an emulator, and a function's process asked for answers."""

import json
import os
import sys

import pytest

from infra.local.runtime_api import ExecutionEnvironment, FunctionError, FunctionTimeoutError
from infra.package.interpreters import python_of
from infra.packaged.template import for_moto, references, schedules_of, without

#: A runtime interface client of a few lines, which does what the event says.
CLIENT = """
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    name, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    if event == "exit":
        sys.exit(7)
    if event == "sleep":
        time.sleep(60)
    outcome = "error" if event == "raise" else "response"
    api.request("POST", f"/2018-06-01/runtime/invocation/{name}/{outcome}", json.dumps({"said": event}))
    api.getresponse().read()
"""


@pytest.fixture
def environment(tmp_path):
    command = [sys.executable, "-c", CLIENT]
    made = ExecutionEnvironment(command, dict(os.environ), tmp_path, tmp_path / "log", "arn")
    yield made
    made.close()


def test_a_process_answers_event_after_event(environment):
    """Each event gets its own answer, from one process; what is raised is an error and the process stays."""
    assert json.loads(environment.invoke(b'"a"', 20)) == {"said": "a"}
    with pytest.raises(FunctionError, match="raise"):
        environment.invoke(b'"raise"', 20)
    assert json.loads(environment.invoke(b'"b"', 20)) == {"said": "b"}


def test_a_process_that_ends_is_an_error(environment):
    """An exit in the middle of an event is told with its status, and at once."""
    with pytest.raises(FunctionError, match="exit status 7"):
        environment.invoke(b'"exit"', 20)
    assert not environment.is_alive


def test_a_slow_function_times_out(environment):
    """An event that takes longer than it may is told with the limit."""
    environment.invoke(b'"a"', 20)  # once the process has started
    with pytest.raises(FunctionTimeoutError, match=r"timed out after 0\.20 seconds"):
        environment.invoke(b'"sleep"', 0.2)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"Ref": "A"}, {"A"}),
        ({"Fn::GetAtt": ["A", "Arn"]}, {"A"}),
        ({"Fn::GetAtt": "A.Arn"}, {"A"}),
        ({"Fn::Sub": "${A}-${B.Arn}-${AWS::Region}"}, {"A", "B"}),
        ({"Fn::Sub": ["${x}", {"x": {"Ref": "A"}}]}, {"A", "x"}),
        ([{"DependsOn": "A"}, {"DependsOn": ["B"]}, "C"], {"A", "B"}),
    ],
)
def test_every_form_of_a_reference_is_seen(value, named):
    """References, attributes, substitutions and dependencies name the resources that they need."""
    assert references(value) == named


FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": "b"}}}
PLAIN = {
    "Resources": {
        "F": FUNCTION,
        "Q": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "F"}}},
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {}},
        "Allowed": {"Type": "AWS::Lambda::Permission", "Properties": {"SourceArn": {"Fn::Sub": "${Api}/*"}}},
        "Clock": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": "rate(5 minutes)",
                "Targets": [{"Arn": {"Fn::GetAtt": ["F", "Arn"]}}],
            },
        },
        "New": {"Type": "AWS::Imagined::Thing", "Properties": {"Name": {"Ref": "F"}}},
    },
    "Outputs": {"Url": {"Value": {"Fn::Sub": "https://${Api}"}}, "Name": {"Value": {"Ref": "F"}}},
}  # fmt: skip


def test_what_refers_to_a_missing_resource_goes_with_it():
    """A resource is left out with all that needs it, outputs included."""
    left = without(PLAIN, lambda _, each: each["Type"].startswith("AWS::ApiGateway"))
    assert set(left["Resources"]) == {"F", "Q", "Clock", "New"}
    assert set(left["Outputs"]) == {"Name"}


def test_moto_gets_what_it_can_make():
    """No API, no clock, nothing that it does not know; code that runs elsewhere; a mapping that rests."""
    made = for_moto(PLAIN)["Resources"]
    assert set(made) == {"F", "Q"}
    assert made["F"]["Properties"]["Code"].keys() == {"ZipFile"}
    assert made["Q"]["Properties"]["Enabled"] is False
    assert list(schedules_of(PLAIN)) == [("rate(5 minutes)", "F")]


def test_the_present_python_is_found():
    """The version that runs is found, and one that nobody has isn't."""
    assert python_of(f"{sys.version_info.major}.{sys.version_info.minor}") == sys.executable
    assert python_of("3.99") is None
