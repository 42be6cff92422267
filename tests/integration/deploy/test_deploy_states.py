"""Stacks in states that a deployment has to deal with, and what doctor says of them."""

import json
import re
from io import StringIO

import pytest

from infra.deploy import __main__ as command
from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import DeployError
from tests.deploying import NEW, OLD, deployed, run, small_parts, small_template
from tests.deployments import NUMBER, REGION


@pytest.mark.parametrize(
    ("status", "going_on"),
    [
        ("ROLLBACK_COMPLETE", "make destroy STAGE={stage}"),
        ("ROLLBACK_FAILED", "make destroy STAGE={stage}"),
        ("DELETE_FAILED", "make destroy STAGE={stage}"),
        (
            "UPDATE_ROLLBACK_FAILED",
            "aws cloudformation continue-update-rollback --stack-name darkroom-{stage} --region us-east-1",
        ),
    ],
)
def test_a_half_failed_stack(shell, stage, parts, status, going_on, capsys):
    """A stack that no update leads out of is named with its state, the first failure, and the way on."""
    deployed(shell, stage, parts)
    shell.status(f"darkroom-{stage}", status, failure="The quota of queues is reached")
    code, said = run("deploy", "--stage", stage, "--yes", parts=parts, capsys=capsys)
    assert code == 1
    assert f"The stack darkroom-{stage} is in {status}" in said
    assert f"darkroom-{stage}: The quota of queues is reached." in said
    assert said.endswith("To go on: " + going_on.format(stage=stage))


def test_a_creation_that_protected_tables_keep_half_done(shell, stage, parts, capsys):
    """Empty tables go with PURGE, as there is nothing to lose; with one item in them they stay."""
    deployed(shell, stage, parts)
    shell.status(f"darkroom-{stage}", "ROLLBACK_FAILED")
    table, dynamodb = f"darkroom-{stage}-Users", shell.client("dynamodb")
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "UserID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "UserID", "KeyType": "HASH"}],
    )
    bucket, s3 = f"darkroom-{stage}-{NUMBER}-{REGION}", shell.client("s3")
    s3.create_bucket(Bucket=bucket)

    def way_on() -> str:
        return run("deploy", "--stage", stage, parts=parts, capsys=capsys)[1].rpartition("To go on: ")[2]

    assert way_on() == f"make destroy STAGE={stage} PURGE=1"
    s3.put_object(Bucket=bucket, Key="one", Body=b"an image")
    assert way_on() == f"make destroy STAGE={stage}"
    s3.delete_object(Bucket=bucket, Key="one")
    dynamodb.put_item(TableName=table, Item={"UserID": {"S": "one"}})
    assert way_on() == f"make destroy STAGE={stage}"


def test_a_deployment_that_fails(shell, stage, parts, tmp_path, capsys):
    """CloudFormation's first failure is the reason that is given; what goes on depends on where it ended."""
    name = f"darkroom-{stage}-training"
    shell.client("ecr").create_repository(repositoryName=name)
    repository = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": name}}
    failing = small_parts(tmp_path, small_template("http://127.0.0.1:9", Repository=repository), stage)
    code, said = run("deploy", "--stage", stage, "--yes", parts=failing, capsys=capsys)
    assert code == 1
    assert f"The deployment of darkroom-{stage} failed, and the stack is in ROLLBACK_COMPLETE." in said
    assert "already exists" in said
    assert said.endswith(f"To go on: make destroy STAGE={stage}")

    assert command.main(("destroy", "--stage", stage, "--confirm", stage, "--tag-seconds", "0")) == 0
    deployed(shell, stage, small_parts(tmp_path, small_template("http://127.0.0.1:9"), stage))
    shell.client("ecr").create_repository(repositoryName=name)
    failing = small_parts(tmp_path, small_template("http://127.0.0.1:9", Repository=repository), stage)
    code, said = run("deploy", "--stage", stage, "--yes", parts=failing, capsys=capsys)
    assert code == 1
    assert f"The update of darkroom-{stage} failed, and the stack is as it was before." in said
    assert said.endswith(f"To go on: make deploy STAGE={stage}")


def test_doctor_finds_nothing_wrong_where_nothing_is(shell, stage, parts, capsys):
    """An account that can do all of it passes, before the first deploy and after it."""
    for found in (f"darkroom-{stage} isn't there yet", f"darkroom-{stage} is in CREATE_COMPLETE"):
        assert command.main(("doctor", "--stage", stage), parts=parts) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert found in shown
        assert "64 vCPUs of Running On-Demand G and VT instances" in shown
        deployed(shell, stage, parts)


def test_doctor_goes_on_after_what_is_wrong(shell, stage, parts, capsys):
    """Each thing that is missing is shown with its command, not the first alone."""
    (parts.stages / f"{stage}.json").write_text("{")
    shell.strangers("s3").create_bucket(Bucket=f"darkroom-{stage}-{NUMBER}-{REGION}")
    assert command.main(("doctor", "--stage", stage), parts=parts) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "is not JSON" in shown
    assert "is taken by another AWS account" in shown
    assert f"make deploy STAGE={stage}2" in shown


def test_a_stack_that_was_only_planned(shell, stage, parts, tmp_path):
    """A stack in REVIEW_IN_PROGRESS, of a deploy that ended before it began, is in nobody's way."""
    shell.client("cloudformation").create_change_set(
        StackName=f"darkroom-{stage}",
        ChangeSetName="interrupted",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(small_template("http://127.0.0.1:9")),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
    )
    deployed(shell, stage, parts)
    [stack] = shell.client("cloudformation").describe_stacks(StackName=f"darkroom-{stage}")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_a_deploy_over_a_newer_version(shell, stage, parts):
    """An older checkout is stopped before it packages anything, unless it is meant."""
    deployed(shell, stage, parts, NEW)
    with pytest.raises(DeployError) as stopped:
        deploy(shell.account, stage, Wish(yes=True), parts, OLD, shell.console)
    assert f"darkroom-{stage} runs 0.1.0+200, and this checkout is the older 0.1.0+100." in str(stopped.value)
    assert stopped.value.command == f"git pull && make deploy STAGE={stage}"
    with pytest.raises(DeployError, match="does not answer"):
        deploy(
            shell.account,
            stage,
            Wish(yes=True, downgrade=True, smoke_seconds=0),
            parts,
            OLD,
            shell.console,
        )


def test_a_version_alone_is_no_question(shell, stage, parts, monkeypatch):
    """Where a newer checkout changes no resource, nobody is asked, and the stack says what it is of."""
    deployed(shell, stage, parts, OLD)
    monkeypatch.setattr("sys.stdin", StringIO())  # whoever asks is stopped
    with pytest.raises(DeployError, match="does not answer"):
        deploy(shell.account, stage, Wish(smoke_seconds=0), parts, NEW, shell.console)
    assert "nothing to change but the version" in shell.shown
    [stack] = shell.client("cloudformation").describe_stacks(StackName=f"darkroom-{stage}")["Stacks"]
    assert {"OutputKey": "Version", "OutputValue": str(NEW)}.items() <= stack["Outputs"][-1].items()


def test_a_no_leaves_nothing_behind(shell, stage, parts, monkeypatch, capsys):
    """Whoever declines has no stack; whoever can't be asked is told what needs no question."""
    monkeypatch.setattr("sys.stdin", StringIO())
    code, said = run("deploy", "--stage", stage, parts=parts, capsys=capsys)
    assert code == 1
    assert said.endswith(f"To go on: make deploy STAGE={stage} YES=1")
    monkeypatch.setattr("builtins.input", lambda *_: "n")
    code, said = run("deploy", "--stage", stage, parts=parts, capsys=capsys)
    assert (code, said) == (1, f"✗ Nothing was deployed. To go on: make deploy STAGE={stage}")
    stacks = shell.client("cloudformation").describe_stacks()["Stacks"]
    assert f"darkroom-{stage}" not in [each["StackName"] for each in stacks]


def test_a_smoke_test_that_fails(shell, stage, parts, capsys):
    """An API that doesn't answer is an error, which names the logs."""
    code, said = run("deploy", "--stage", stage, "--yes", "--smoke-seconds", "0", parts=parts, capsys=capsys)
    assert code == 1
    assert re.search(r"http://127.0.0.1:9(/api)?/openapi.json does not answer as it should", said)
    assert said.endswith(f"To go on: make logs STAGE={stage}")


def test_destroy_wants_the_stages_name(shell, stage, parts, capsys):
    """Another name than the stage's destroys nothing."""
    deployed(shell, stage, parts)
    code, said = run("destroy", "--stage", stage, "--confirm", "dev", capsys=capsys)
    assert code == 1
    assert said == f"✗ Nothing was destroyed: 'dev' is not '{stage}'. To go on: make destroy STAGE={stage}"
    assert shell.client("cloudformation").describe_stacks(StackName=f"darkroom-{stage}")["Stacks"]


def test_a_span_that_is_none(shell, capsys):
    """Logs know minutes, hours and days."""
    code, said = run("logs", "--stage", "dev", "--since", "soon", capsys=capsys)
    assert (code, said) == (
        2,
        "✗ 'soon' is no span of time; 10m, 2h and 1d are. To go on: make logs STAGE=dev SINCE=10m",
    )
