"""Each thing that stops a deployment says what happened, and the one command that goes on."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from uuid import uuid4

import pytest

from infra.deploy import __main__ as command
from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import DeployError
from infra.deploy.version import Version
from tests.deployments import NUMBER, REGION, World, quota_answers, serving, small_parts, small_template

OLD, NEW = Version((0, 1, 0), 100), Version((0, 1, 0), 200)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, serving(monkeypatch) as made:
        yield made


@pytest.fixture
def shell(world, monkeypatch) -> World:
    """The world's credentials in the environment, and no others."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    return world


@pytest.fixture
def stage() -> str:
    """A stage that no other test has."""
    return f"s{uuid4().hex[:10]}"


@pytest.fixture
def parts(tmp_path, stage):
    return small_parts(tmp_path, small_template("http://127.0.0.1:9"), stage)


def run(*arguments: str, parts=None, capsys) -> tuple[int, str]:
    """Exit code, and what stood on standard error, in one line."""
    code = command.main(arguments, parts=parts)
    return code, " ".join(capsys.readouterr().err.split())


def deployed(shell, stage, parts, version=OLD) -> None:
    """Deploys as far as the smoke test, which has nobody to ask."""
    with pytest.raises(DeployError, match="does not answer"):
        deploy(shell.account, stage, Wish(yes=True, smoke_seconds=0), parts, version, shell.console)


def test_no_credentials(shell, monkeypatch, capsys):
    """Without credentials nothing is tried, and `aws configure` is named."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    code, said = run("deploy", "--stage", "dev", capsys=capsys)
    assert code == 1
    assert "There are no AWS credentials" in said
    assert said.endswith("To go on: aws configure")


def test_no_region(shell, monkeypatch, capsys):
    """Without a region the same command with a region is named."""
    monkeypatch.delenv("AWS_REGION")
    code, said = run("deploy", "--stage", "dev", capsys=capsys)
    assert code == 1
    assert said == "✗ No AWS region is set. To go on: AWS_REGION=us-east-1 make deploy STAGE=dev"


def test_expired_credentials(shell, capsys, monkeypatch):
    """Credentials of yesterday are told from none."""
    answer = (
        b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>"
    )

    def refuse(environ, start_response):
        start_response("403 Forbidden", [("Content-Type", "text/xml")])
        return [answer]

    monkeypatch.setattr(shell.gate, "application", refuse)
    code, said = run("logs", "--stage", "dev", capsys=capsys)
    assert (code, said) == (1, "✗ The AWS credentials have expired. To go on: aws sso login")


def test_aws_out_of_reach(shell, monkeypatch, capsys):
    """Where nothing answers, the same command is the one that goes on."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, said = run("cost", "--stage", "dev", capsys=capsys)
    assert code == 1
    assert "AWS doesn't answer" in said
    assert said.endswith("To go on: make cost STAGE=dev")


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("Dev", "dev"), ("my-stage", "mystage"), ("1st", "st"), ("a" * 17, "a" * 16), ("/../", "dev")],
)
def test_a_stage_name_that_can_not_be(name, suggested, capsys):
    """A name with bad characters is refused before AWS is asked, and one that would do is named."""
    code, said = run("deploy", "--stage", name, capsys=capsys)
    assert code == 2
    assert f"A stage can't be called {name!r}: small letters and digits only" in said
    assert said.endswith(f"To go on: make deploy STAGE={suggested}")


def test_a_stage_without_parameters(shell, parts, capsys):
    """A stage of no file is told how to get one."""
    code, said = run("deploy", "--stage", "nofile", parts=parts, capsys=capsys)
    assert code == 2
    assert "The stage nofile has no parameters" in said
    assert said.endswith(f"To go on: cp {parts.stages}/dev.json {parts.stages}/nofile.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ('{"MaxVcpus": 8}', "values are strings"),
        ('{"MaxVcpu": "8"}', "sets MaxVcpu, which the template doesn't know"),
    ],
)
def test_parameters_that_can_not_be(shell, stage, parts, content, words, capsys):
    """A parameters' file that is wrong is named with what is wrong in it."""
    (parts.stages / f"{stage}.json").write_text(content)
    code, said = run("deploy", "--stage", stage, parts=parts, capsys=capsys)
    assert code == 2
    assert words in said
    assert f"{stage}.json" in said.rpartition("To go on:")[2]


def test_a_quota_of_zero(shell, stage, parts, monkeypatch, capsys):
    """Deploying goes on and says that nothing can train; doctor fails; both name the request for more."""
    monkeypatch.setattr(shell.gate, "answers", quota_answers(0))
    shell.terminal.truncate(0)
    deployed(shell, stage, parts)
    request = (
        "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-3819A6DF"
        f" --desired-value 8 --region {REGION}"
    )
    assert (
        "No training on Spot can start: the quota 'All G and VT Spot Instance Requests' is 0." in shell.shown
    )
    assert request in shell.shown
    code = command.main(("doctor", "--stage", stage), parts=parts)
    shown = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "0 vCPUs of All G and VT Spot Instance Requests: no training on Spot can start" in shown
    assert request in shown


@pytest.mark.parametrize("which", ["artifacts-", ""])
def test_a_bucket_name_that_is_taken(shell, stage, parts, which, capsys):
    """A bucket of another account is found before a stack is made that could only be deleted."""
    bucket = f"darkroom-{stage}-{which}{NUMBER}-{REGION}"
    shell.strangers("s3").create_bucket(Bucket=bucket)
    code, said = run("deploy", "--stage", stage, "--yes", parts=parts, capsys=capsys)
    assert code == 1
    assert f"The bucket name {bucket} is taken by another AWS account" in said
    assert said.endswith(
        f"cp infra/stages/{stage}.json infra/stages/{stage}2.json && make deploy STAGE={stage}2"
    )
    assert not [each for each in shell.client("cloudformation").list_stacks()["StackSummaries"]
                if each["StackName"] == f"darkroom-{stage}"]  # fmt: skip


def test_data_of_an_earlier_stage(shell, stage, parts, capsys):
    """A bucket that an earlier stage left is not run into, where the stage keeps no data."""
    shell.client("s3").create_bucket(Bucket=f"darkroom-{stage}-{NUMBER}-{REGION}")
    code, said = run("deploy", "--stage", stage, "--yes", parts=parts, capsys=capsys)
    assert code == 1
    assert f"the bucket of an earlier darkroom-{stage} are still there with its data" in said
    assert said.endswith(f"To go on: make destroy STAGE={stage}")


def test_data_that_a_stage_keeps_is_taken_in_again(shell, stage, tmp_path, monkeypatch):
    """With DeletionProtection the next stack takes tables in by their names, which are spelled out for it."""
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {"TableName": {"Fn::Sub": "${AWS::StackName}-Users"}, "BillingMode": "PAY_PER_REQUEST"},
    }
    template = small_template("http://127.0.0.1:9", UsersTable=table)
    template["Parameters"]["DeletionProtection"] = {"Type": "String"}
    parts = small_parts(tmp_path, template, stage)
    (parts.stages / f"{stage}.json").write_text('{"DeletionProtection": "true"}')
    shell.client("dynamodb").create_table(
        TableName=f"darkroom-{stage}-Users",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "UserID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "UserID", "KeyType": "HASH"}],
    )
    wishes: list[dict] = []
    client = shell.client("cloudformation")
    client.meta.events.register_first(
        "provide-client-params.cloudformation.CreateChangeSet", lambda params, **_: wishes.append(params)
    )
    monkeypatch.setattr("builtins.input", lambda *_: "no")
    with pytest.raises(DeployError, match="Nothing was deployed"):
        deploy(shell.account, stage, Wish(), parts, OLD, shell.console)
    [wish] = wishes
    assert wish["ImportExistingResources"] is True
    bucket, key = f"darkroom-{stage}-artifacts-{NUMBER}-{REGION}", wish["TemplateURL"].partition(".com/")[2]
    sent = json.loads(shell.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert sent["Resources"]["UsersTable"]["Properties"]["TableName"] == f"darkroom-{stage}-Users"


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
