"""infra/functions.yaml against what it is merged over: the app's functions, and infra/template.yaml."""

import json
import re
from dataclasses import fields
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any

import pytest
from chalice.app import ScheduledEventConfig, SQSEventConfig
from chalice.utils import to_cfn_resource_name

from app import app
from chalicelib.adapters.security import JwtTokens
from chalicelib.contract.signing import KeyRing, SigningKey
from chalicelib.events import ingest, removal
from chalicelib.routes.api import STAGE
from chalicelib.routes.headers import SECURITY
from chalicelib.settings import Settings
from infra.local.aws import TEMPLATE
from infra.local.schedules import rate_seconds
from tests.fakes import FakeClock
from tests.policies import FUNCTIONS, template

ROOT = TEMPLATE.parents[1]
OF_QUEUES = [each.name for each in app.event_sources if isinstance(each, SQSEventConfig)]
SCHEDULED = {
    each.name: rate_seconds(each.schedule_expression.to_string())
    for each in app.event_sources
    if isinstance(each, ScheduledEventConfig)
}
HANDLERS = [*OF_QUEUES, *SCHEDULED, *(each.name for each in app.pure_lambda_functions)]
#: Chalice's, and the one that isn't.
CHALICES = {"api": "APIHandler"} | {name: to_cfn_resource_name(name) for name in HANDLERS}
LOGICAL_IDS = CHALICES | {"predict": "Predictor"}
PARAMETERS, MERGED = template()["Parameters"], template()["Resources"]
API = MERGED["RestAPI"]["Properties"]
RESPONSES = API["GatewayResponses"]


def _function(name: str) -> dict[str, Any]:
    return MERGED[LOGICAL_IDS[name]]["Properties"]


def test_what_is_merged_is_what_chalice_makes():
    """Resources without a type change Chalice's own: each function and the API, and nothing else."""
    assert {name for name, each in MERGED.items() if "Type" not in each} == {*CHALICES.values(), "RestAPI"}


def test_it_makes_nothing_that_the_other_template_makes():
    """The two templates are merged: what both define would be one's or the other's, or neither's."""
    other = template(TEMPLATE)
    for section in ("Parameters", "Conditions", "Resources", "Outputs"):
        assert not template()[section].keys() & other[section].keys()


@pytest.mark.parametrize("name", LOGICAL_IDS)
def test_a_function_has_limits_a_role_and_a_log_of_its_own(name):
    """Memory, timeout, role and log group are declared, and the last two are shared with nobody."""
    own = _function(name)
    assert 128 <= own["MemorySize"] <= 10_240
    assert 0 < own["Timeout"] <= 900
    assert own["FunctionName"] == {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
    assert sum(_function(each)["Role"] == own["Role"] for each in LOGICAL_IDS) == 1
    assert sum(_function(each)["LoggingConfig"] == own["LoggingConfig"] for each in LOGICAL_IDS) == 1


def test_every_log_is_forgotten_and_goes_with_the_stack():
    """Each log group has a retention and is deleted with the stack."""
    groups = [each for each in MERGED.values() if each.get("Type") == "AWS::Logs::LogGroup"]
    assert len(groups) == len(LOGICAL_IDS) + 1
    assert all(each["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for each in groups)
    assert all(each["DeletionPolicy"] == "Delete" for each in groups)


@pytest.mark.parametrize("name", OF_QUEUES)
def test_a_message_stays_hidden_for_six_times_its_functions_timeout(name):
    """As Lambda asks of a queue; a batch reports what failed, and never takes the whole account's quota."""
    visibility = template(TEMPLATE)["Parameters"]["QueueVisibilitySeconds"]["Default"]
    assert visibility == 6 * _function(name)["Timeout"]
    source = _function(name)["Events"][f"{LOGICAL_IDS[name]}SqsEventSource"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumConcurrency" in source["ScalingConfig"]


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_tick_ends_before_the_next_one(name):
    """A function that a schedule starts is over when it starts again; a failure is left to that one."""
    assert _function(name)["Timeout"] <= SCHEDULED[name]
    assert _function(name)["EventInvokeConfig"] == {"MaximumRetryAttempts": 0}


def test_work_that_looks_at_the_time_ends_within_its_timeout():
    """What begins nothing more after a while has a while left for what it began."""
    assert timedelta(seconds=_function("recover")["Timeout"]) > ingest._RECOVERY
    assert timedelta(seconds=_function("remove")["Timeout"]) > removal.WORK


def test_the_environment_is_what_the_settings_read():
    """Each setting is given, and nothing that nobody reads."""
    given = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert {name.lower() for name in given} == {each.name for each in fields(Settings)}


def test_no_right_is_on_everything_without_a_reason():
    """A statement on every resource says on its line why."""
    lines = [line for line in FUNCTIONS.read_text().splitlines() if re.search(r'Resource: "?\*"?', line)]
    assert lines
    assert all(re.search("# .+", line) for line in lines)


def test_users_see_the_stage_and_the_routes_as_one_path():
    """Chalice calls the stage as the routes assume, and so does the base path of one's own domain."""
    assert json.loads((ROOT / ".chalice" / "config.json").read_text())["api_gateway_stage"] == STAGE
    assert MERGED["ApiBasePath"]["Properties"]["BasePath"] == STAGE


def test_a_domain_of_ones_own_says_where_its_record_leads():
    """Where no zone gets the record, whoever makes it elsewhere needs to know."""
    output = template()["Outputs"]["DomainTarget"]
    assert output["Condition"] == MERGED["ApiDomain"]["Condition"]
    assert output["Value"] == {"Fn::GetAtt": ["ApiDomain", "RegionalDomainName"]}


def test_what_is_throttled_by_itself_is_there():
    """Limits are set for routes that the app has; API Gateway takes any path."""
    limited = {(each["HttpMethod"], each["ResourcePath"]) for each in API["MethodSettings"]} - {("*", "/*")}
    paths = {(method, path.removeprefix("/").replace("~1", "/")) for method, path in limited}
    assert paths == {("POST", "/auth/login"), ("POST", "/users"), ("POST", "/users/me/password")}
    assert all(method in app.routes[path] for method, path in paths)


@pytest.mark.parametrize("kind", RESPONSES)
def test_api_gateway_answers_as_the_api_does(kind):
    """Each of its own answers is a problem document, with the headers of every answer."""
    response = RESPONSES[kind]
    headers = response["ResponseParameters"]["Headers"]
    assert headers["Content-Type"] == "'application/problem+json'"
    # API Gateway's own quotes have no room for those of a policy.
    expected = {**SECURITY, "Content-Security-Policy": "sandbox", "Vary": "Origin"}
    assert {name: headers[name].strip("'") for name in expected} == expected
    problem = json.loads(response["ResponseTemplates"]["application/json"])
    assert problem["status"] == response["StatusCode"]
    assert problem["title"] == HTTPStatus(problem["status"]).phrase
    assert problem["type"] == f"urn:darkroom:problem:{problem['code']}"
    assert problem["requestId"] == "$context.requestId"
    assert problem["detail"]


@pytest.mark.parametrize("kind", RESPONSES)
def test_pages_of_a_configured_origin_alone_read_what_api_gateway_answers(kind):
    """Without CorsOrigins no page elsewhere may; with it the first of them, which is never a wildcard."""
    condition, allowed, nothing = RESPONSES[kind]["ResponseParameters"]["Headers"][
        "Access-Control-Allow-Origin"
    ]["Fn::If"]
    assert template()["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CorsOrigins"}, ""]}]}
    first = {"Fn::Select": [0, {"Fn::Split": [",", {"Ref": "CorsOrigins"}]}]}
    assert allowed == {"Fn::Sub": ["'${First}'", {"First": first}]}
    assert nothing == {"Ref": "AWS::NoValue"}
    pattern = PARAMETERS["CorsOrigins"]["AllowedPattern"]
    assert PARAMETERS["CorsOrigins"]["Default"] == ""
    for text, is_taken in (
        ("", True),
        ("*", False),
        ("https://*.x", False),
        ("https://a.b,http://c:1", True),
    ):
        assert bool(re.fullmatch(pattern, text)) == is_taken


def test_an_unknown_path_is_404_however_it_is_asked_for():
    """With a token, without one, and with one that API Gateway takes for a bad signature."""
    kinds = ("MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE", "RESOURCE_NOT_FOUND")
    assert [RESPONSES[kind]["StatusCode"] for kind in kinds] == [404] * 3


def test_what_has_no_answer_of_its_own_has_one_all_the_same():
    """Size, speed and addresses are told apart; every other answer of API Gateway's falls to one of two."""
    told_apart = {"REQUEST_TOO_LARGE": 413, "THROTTLED": 429, "ACCESS_DENIED": 403}
    assert {kind: RESPONSES[kind]["StatusCode"] for kind in told_apart} == told_apart
    assert {"DEFAULT_4XX": 400, "DEFAULT_5XX": 500}.items() <= {
        kind: each["StatusCode"] for kind, each in RESPONSES.items()
    }.items()


def test_only_the_allowed_addresses_reach_the_api():
    """The API's policy allows the addresses of the parameter, and so nobody else."""
    [statement] = API["DefinitionBody"]["x-amazon-apigateway-policy"]["Statement"]
    addresses = {"Fn::Split": [",", {"Ref": "AllowedAddresses"}]}
    assert statement["Condition"] == {"IpAddress": {"aws:SourceIp": addresses}}
    assert all(ip_network(each) for each in PARAMETERS["AllowedAddresses"]["Default"].split(","))


def test_the_access_log_is_json_with_the_request_id():
    """Each request is one JSON line that leads to the function's own, and holds no token."""
    line = API["AccessLogSetting"]["Format"]
    assert json.loads(line)["requestId"] == "$context.requestId"
    assert "header" not in line


def test_a_login_outlives_a_rotation():
    """Two rotations, which end a token, are further apart than a refresh token lives."""
    lives = JwtTokens(KeyRing(SigningKey("1", "k" * 64)), FakeClock()).refresh_seconds
    assert PARAMETERS["SigningKeyDays"]["MinValue"] * 86400 > lives
    rotation = MERGED["SigningSecretRotation"]["Properties"]
    assert rotation["RotationRules"] == {"AutomaticallyAfterDays": {"Ref": "SigningKeyDays"}}
    assert rotation["RotateImmediatelyOnUpdate"] is False


def test_only_secrets_manager_may_start_a_rotation():
    """The function answers to this account's secret of this stack."""
    permission = MERGED["RotateKeysPermission"]["Properties"]
    assert permission["Principal"] == "secretsmanager.amazonaws.com"
    assert permission["SourceArn"] == {"Ref": "SigningSecret"}
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
