"""infra/template.yaml: valid, complete, and the only place where a resource is defined."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.decode import decode

from chalicelib.contract.tables import (
    ACTIVE_SESSIONS,
    EXPIRES_AT,
    IDEMPOTENCY,
    IMAGES,
    KEYS,
    METRICS,
    PROJECTS,
    PROJECTS_BY_USER,
    REMOVING_PROJECTS,
    SESSIONS,
    USERS,
)
from infra.local.aws import TEMPLATE, EmbeddedAws
from infra.local.jobs import Outcome, retries

ROOT = Path(__file__).parents[2]
OURS = [
    *ROOT.glob("*.py"),
    *(
        path
        for folder in ("chalicelib", "infra", "training_job", "data_job")
        for path in (ROOT / folder).rglob("*.py")
    ),
]


def _table(stack: EmbeddedAws, name: str) -> dict:
    return stack.client("dynamodb").describe_table(TableName=stack.outputs["TablePrefix"] + name)["Table"]


def _keys(schema: list[dict]) -> tuple[str, ...]:
    return tuple(each["AttributeName"] for each in sorted(schema, key=lambda each: each["KeyType"]))


def test_the_template_passes_cfn_lint():
    """cfn-lint finds nothing wrong with the template."""
    lint = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), TEMPLATE], capture_output=True, text=True, timeout=60
    )
    assert (lint.returncode, lint.stdout) == (0, "")


@pytest.mark.parametrize("name", KEYS)
def test_a_table_has_the_keys_of_the_contract(stack, name):
    """Each table of the contract is made by the template with the contract's keys, on demand."""
    table = _table(stack, name)
    assert _keys(table["KeySchema"]) == KEYS[name]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_there_is_no_table_that_the_contract_does_not_know(stack):
    """The template makes the tables of the contract and no other."""
    prefix = stack.outputs["TablePrefix"]
    names = stack.client("dynamodb").list_tables()["TableNames"]
    assert {name for name in names if name.startswith(prefix)} == {prefix + name for name in KEYS}


@pytest.mark.parametrize(
    ("table", "index", "keys"),
    [
        (PROJECTS, PROJECTS_BY_USER, ("UserID", "ProjectID")),
        (PROJECTS, REMOVING_PROJECTS, ("Removing", "DeletedAt")),
        (SESSIONS, ACTIVE_SESSIONS, ("Active", "StartTime")),
    ],
)
def test_an_index_is_the_one_that_the_contract_names(stack, table, index, keys):
    """A query by the contract's index name finds whole items in the expected order."""
    found = {each["IndexName"]: each for each in _table(stack, table)["GlobalSecondaryIndexes"]}[index]
    assert _keys(found["KeySchema"]) == keys
    assert found["Projection"] == {"ProjectionType": "ALL"}


@pytest.mark.parametrize("name", KEYS)
def test_the_tables_that_forget_have_a_time_to_live(stack, name):
    """Time to live stands on the tables that the contract says forget, and on no other."""
    description = stack.client("dynamodb").describe_time_to_live(
        TableName=stack.outputs["TablePrefix"] + name
    )
    forgets = name in {USERS, IMAGES, METRICS, IDEMPOTENCY}
    assert description["TimeToLiveDescription"].get("AttributeName") == (EXPIRES_AT if forgets else None)


@pytest.mark.parametrize("call", ["create_table", "create_bucket", "create_queue", "register_job_definition"])
def test_nothing_else_defines_a_resource(call):
    """No code of ours makes one beside the template, but the bucket that the template is deployed from."""
    assert OURS
    found = [path.relative_to(ROOT).as_posix() for path in OURS if f"{call}(" in path.read_text()]
    assert found == (["infra/deploy/artifacts.py"] if call == "create_bucket" else [])


def test_only_incoming_objects_are_announced(stack):
    """The bucket tells the ingest queue of objects under incoming/ and of no others."""
    [queue] = stack.client("s3").get_bucket_notification_configuration(Bucket=stack.outputs["Bucket"])[
        "QueueConfigurations"
    ]
    assert queue["QueueArn"].endswith("-Ingest")
    assert queue["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "incoming/"}]


def test_the_signing_key_is_long_and_new_in_each_stack(stack):
    """The signing secret holds a key id and a random key of at least 64 characters."""
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.environment["SIGNING_SECRET"])
    value = json.loads(secret["SecretString"])
    assert value["kid"] == "1"
    assert len(value["key"]) >= 64
    assert len(set(value["key"])) > 10


def test_the_training_containers_role_reaches_its_run_and_no_more():
    """The role names the tables of sessions and metrics alone, writes to sessions and deletes checkpoints."""
    role = TEMPLATE.read_text().partition("\n  JobRole:\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"(\w+)Table\.Arn", role)) == {"TrainingSessions", "TrainingMetrics"}
    assert re.findall(r"s3:(?:Put|Delete)Object.*\n *Resource: (.*)", role) == [
        "!Sub ${Bucket.Arn}/projects/*/sessions/*",
        "!Sub ${Bucket.Arn}/projects/*/sessions/*/checkpoints/*",
    ]


def test_the_job_definition_gives_up_on_what_is_not_the_hosts_fault(stack):
    """Only a lost host and a failed image pull are retried; the last of at most five rules ends the rest."""
    arn = stack.environment["JOB_DEFINITION"]
    [definition] = stack.client("batch").describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"]
    rules = definition["retryStrategy"]["evaluateOnExit"]
    assert len(rules) <= 5
    assert rules[-1] == {"onReason": "*", "action": "exit"}
    assert {"onStatusReason": "Host EC2*", "action": "retry"} in rules
    assert definition["timeout"]["attemptDurationSeconds"] > 0


def test_the_data_jobs_definition_tries_again_what_may_go_on(stack):
    """What was interrupted, killed, or met a busy AWS is tried again; what says why it failed isn't."""
    arn = stack.environment["DATA_JOB_DEFINITION"]
    [definition] = stack.client("batch").describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"]
    strategy = definition["retryStrategy"]
    assert len(strategy["evaluateOnExit"]) <= 5
    tried = {code: retries(strategy, 1, Outcome(exit_code=code)) for code in (1, 75, 137)}
    assert tried == {1: False, 75: True, 137: True}
    reclaimed = Outcome(exit_code=0, status_reason="Your Spot Task was interrupted.")
    assert retries(strategy, 1, reclaimed)
    assert not retries(strategy, strategy["attempts"], reclaimed)


@pytest.mark.parametrize(
    ("queue", "kinds"), [("JOB_QUEUE", ["SPOT", "EC2"]), ("DATA_JOB_QUEUE", ["FARGATE_SPOT", "FARGATE"])]
)
def test_spot_is_tried_first_and_costs_nothing_while_idle(stack, queue, kinds):
    """Each job queue asks its Spot environment first, and both shrink to no vCPU."""
    batch = stack.client("batch")
    [queue] = batch.describe_job_queues(jobQueues=[stack.environment[queue]])["jobQueues"]
    order = sorted(queue["computeEnvironmentOrder"], key=lambda each: each["order"])
    environments = [
        batch.describe_compute_environments(computeEnvironments=[each["computeEnvironment"]])[
            "computeEnvironments"
        ][0]
        for each in order
    ]
    assert [each["computeResources"]["type"] for each in environments] == kinds
    # Fargate knows no smallest size: it has no machines that could stay.
    assert [each["computeResources"].get("minvCpus", 0) for each in environments] == [0, 0]


@pytest.fixture(scope="module")
def resources() -> dict:
    """The template's own text: the embedded AWS is one machine, and makes nothing for several."""
    template, problems = decode(str(TEMPLATE))
    assert not problems
    return {name: each.get("Properties", {}) for name, each in template["Resources"].items()}


def test_the_machines_of_a_job_run_what_one_machine_runs(resources):
    """A job of several machines has the container and the retries of a plain one, and any number of nodes."""
    one, several = resources["JobDefinition"], resources["NodesJobDefinition"]
    [nodes] = several["NodeProperties"]["NodeRangeProperties"]
    assert nodes == {"TargetNodes": "0:", "Container": one["ContainerProperties"]}
    assert several["RetryStrategy"] == one["RetryStrategy"]
    assert several["NodeProperties"]["MainNode"] == 0


def test_machines_that_train_together_are_no_spot_ones_and_open_to_each_other_alone(resources):
    """Batch runs no multi-node job on Spot; their one ingress is from their own group, and is in one zone."""
    [environment] = resources["NodesJobQueue"]["ComputeEnvironmentOrder"]
    assert environment["ComputeEnvironment"] == {"Ref": "NodesCompute"}
    compute = resources["NodesCompute"]["ComputeResources"]
    own = {"Fn::GetAtt": ["NodesSecurityGroup", "GroupId"]}
    assert (compute["Type"], len(compute["Subnets"]), compute["SecurityGroupIds"]) == ("EC2", 1, [own])
    assert "SecurityGroupIngress" not in resources["NodesSecurityGroup"]
    ingress = [each for each in resources.values() if "SourceSecurityGroupId" in each]
    assert [(each["GroupId"], each["SourceSecurityGroupId"]) for each in ingress] == [(own, own)]


def test_one_machine_alone_needs_nothing_for_several(stack):
    """With MaxNodes 1 the stack has no queue for jobs of several machines, and the API says so at start."""
    assert stack.outputs["MaxNodes"] == "1"
    assert not [name for name in stack.resources if name.startswith("Nodes")]
