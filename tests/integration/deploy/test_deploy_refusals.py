"""Each thing that stops a deployment says what happened, and the one command that goes on."""

import json
from io import StringIO

import pytest

from infra.deploy import __main__ as command
from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import DeployError
from tests.deploying import OLD, deployed, run, small_parts, small_template
from tests.deployments import NUMBER, REGION, quota_answers
from tests.infra_template import load_template


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


def test_a_region_of_the_command_line(shell, stage, parts, monkeypatch, capsys):
    """The command that goes on names the region that this one named: without it, it would be elsewhere."""
    (parts.stages / f"{stage}.json").write_text('{"DeletionProtection": "false"}')
    monkeypatch.setattr("sys.stdin", StringIO())
    for region in ("eu-west-1", "eu-central-1"):
        shell.client("s3").create_bucket(Bucket=f"darkroom-{stage}-{NUMBER}-{region}")
        code, said = run("deploy", "--stage", stage, "--region", region, parts=parts, capsys=capsys)
        assert code == 1
        assert said.endswith(f"To go on: make destroy STAGE={stage} REGION={region}")
        code, said = run("destroy", "--stage", stage, "--region", region, parts=parts, capsys=capsys)
        assert code == 1
        assert said.endswith(f"To go on: make destroy STAGE={stage} REGION={region} CONFIRM={stage}")
    code, said = run("deploy", "--stage", "my-stage", "--region", region, parts=parts, capsys=capsys)
    assert said.endswith(f"To go on: make deploy STAGE=mystage REGION={region}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, said = run("cost", "--stage", stage, "--region", region, capsys=capsys)
    assert said.endswith(f"To go on: make cost STAGE={stage} REGION={region}")


@pytest.mark.parametrize("region", ["mars-1", "us_east_1"])
def test_a_region_that_is_none(shell, monkeypatch, capsys, region):
    """A region that has no endpoint, or no form, is told from AWS being out of reach."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, said = run("doctor", "--stage", "dev", "--region", region, capsys=capsys)
    assert (code, said) == (
        1, f"✗ AWS has no region '{region}'. To go on: make doctor STAGE=dev REGION=us-east-1"
    )  # fmt: skip


def test_an_argument_that_can_not_be(shell, capsys):
    """What make hands on is checked, and refused in a sentence too."""
    code, said = run("deploy", "--stage", "dev", "--architecture", "mips", capsys=capsys)
    assert code == 2
    assert said.startswith("✗ Argument --architecture: invalid choice: 'mips'")
    assert said.endswith("To go on: make help")


def test_logs_of_a_stage_that_is_not_there(shell, stage, capsys):
    """Nothing is followed for ever that isn't there: a stage may be misspelt, or a group."""
    code, said = run("logs", "--stage", stage, capsys=capsys)
    assert code == 2
    assert said == f"✗ darkroom-{stage} has no logs in {REGION}. To go on: make deploy STAGE={stage}"
    shell.client("logs").create_log_group(logGroupName=f"/darkroom-{stage}/api")
    code, said = run("logs", "--stage", stage, "--group", "trianing", capsys=capsys)
    assert said.endswith(f"with 'trianing' in their name in {REGION}. To go on: make logs STAGE={stage}")
    assert run("logs", "--stage", stage, "--no-follow", capsys=capsys) == (0, "")


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
        ('{"MaxVcpus": "many"}', "sets MaxVcpus to 'many', which is no number"),
        ('{"MaxVcpus": "1"}', "sets MaxVcpus to '1', which is not between 4 and any"),
        ('{"RecoveryDays": "40"}', "which is not between 1 and 35"),
        ('{"DeletionProtection": "yes"}', "which is none of true, false"),
        ('{"AlarmEmail": "me"}', "which is not of the form"),
        ('{"MaxVcpu": "8"}', "sets MaxVcpu, which the template doesn't know"),
        ('{"Weights": "resnet18 resnet99"}', "has resnet99, of which there is no architecture"),
    ],
)
def test_parameters_that_can_not_be(shell, stage, tmp_path, content, words, capsys):
    """A parameters' file that is wrong is named with what is wrong in it, by the template's own rules."""
    template = small_template("http://127.0.0.1:9")
    template["Parameters"] |= load_template()["Parameters"]
    parts = small_parts(tmp_path, template, stage)
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
    users = sent["Resources"]["UsersTable"]
    assert users["Properties"]["TableName"] == f"darkroom-{stage}-Users"
    assert users["DeletionPolicy"] == "Retain"

    def is_protected() -> bool:
        table = shell.client("dynamodb").describe_table(TableName=f"darkroom-{stage}-Users")["Table"]
        return bool(table.get("DeletionProtectionEnabled"))

    assert not is_protected()
    before: list[bool] = []
    monkeypatch.setattr(
        shell.gate,
        "before",
        lambda name: before.append(is_protected()) if name == "ExecuteChangeSet" else None,
    )
    # moto takes nothing in, and fails.
    with pytest.raises(DeployError, match="The deployment of"):
        deploy(shell.account, stage, Wish(yes=True), parts, OLD, shell.console)
    assert before == [True]
