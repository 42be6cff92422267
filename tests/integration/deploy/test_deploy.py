"""From a checkout to a URL and back to nothing, against the project's own template."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from cfnlint.decode import decode

from chalicelib import bootstrap
from infra.deploy import destruction, gateway, logs
from infra.deploy.deployment import Wish, deploy
from infra.deploy.stage import Stage
from infra.deploy.version import Version
from infra.local.aws import TEMPLATE
from infra.local.server import Server
from tests.deploying import small_parts, small_template
from tests.deployments import NUMBER, REGION, World

VERSION = Version((0, 1, 0), 100)


@pytest.fixture
def stage() -> Stage:
    """A stage that no other test has."""
    return Stage(name=f"d{uuid4().hex[:10]}", account=NUMBER, region=REGION)


def whole_template(api_url: str) -> dict:
    """The project's own, with the outputs and resources that the package adds."""
    template, problems = decode(str(TEMPLATE))
    assert not problems
    small, project = small_template(api_url), {"Name": {"Fn::Sub": "${AWS::StackName}-images"}}
    template["Parameters"] = {**small["Parameters"], **template["Parameters"]}
    template["Resources"].setdefault(
        "ImageBuild",
        {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {
                **project,
                "Environment": {"ComputeType": "BUILD_GENERAL1_MEDIUM"},
                "Source": {"Type": "S3", "Location": "nowhere/yet"},
            },
        },
    )
    template["Outputs"] |= {"ImageBuild": {"Value": {"Ref": "ImageBuild"}}, **small["Outputs"]}
    return dict(template)


@contextmanager
def served_api(monkeypatch, world: World, stage: Stage) -> Iterator[str]:
    """The project's API over HTTP, on what the stage will have."""
    from app import app

    names = {
        "TABLE_PREFIX": stage.prefix,
        "BUCKET": stage.bucket,
        "JOB_QUEUE": "jobs",
        "JOB_DEFINITION": "job",
        "DATA_JOB_QUEUE": "data",
        "DATA_JOB_DEFINITION": "data",
        "PREDICTOR": "predict",
        "TRAINING_LOGS": "logs",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "AWS_DEFAULT_REGION": REGION,
    }
    for name, value in (world.environment | names).items():
        monkeypatch.setenv(name, value)

    def know_secret(operation: str) -> None:
        """Only the stack has a signing secret, under a name that AWS gives it."""
        if operation == "ExecuteChangeSet":
            monkeypatch.setenv("SIGNING_SECRET", outputs(world, stage)["SigningSecret"])

    monkeypatch.setattr(world.gate, "after", know_secret)
    server = Server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    _forget()
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        _forget()


def outputs(world: World, stage: Stage) -> dict[str, str]:
    [found] = world.client("cloudformation").describe_stacks(StackName=stage.stack_name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


def _forget() -> None:
    bootstrap.services.cache_clear()
    bootstrap.aws.cache_clear()


def keys(world: World, bucket: str) -> list[str]:
    return [each["Key"] for each in world.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def built(world: World, stage: Stage, tag: str) -> None:
    """As if CodeBuild had pushed the images."""
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}
    for name in ("training", "data"):
        world.client("ecr").put_image(
            repositoryName=f"{stage.prefix}{name}", imageManifest=json.dumps(manifest), imageTag=tag
        )


def test_a_stage_comes_changes_and_goes(world, stage, tmp_path, monkeypatch):
    """One deploy makes all and says what it costs; the next changes what is new; destroy leaves nothing."""
    with served_api(monkeypatch, world, stage) as url:
        template = whole_template(url)
        parts = small_parts(tmp_path, template, stage.name)
        wish, made = Wish(yes=True, smoke_seconds=20), parts.sources({}).tag

        assert deploy(world.account, stage.name, wish, parts, VERSION, world.console) == url
        _check_artifacts(world, stage, made)
        _check_shown(world)
        [stack] = world.client("cloudformation").describe_stacks(StackName=stage.stack_name)["Stacks"]
        assert {"Key": "Stage", "Value": stage.name} in stack["Tags"]
        assert {"OutputKey": "Version", "OutputValue": "0.1.0+100"}.items() <= stack["Outputs"][-1].items()

        built(world, stage, made)
        world.gate.seen.clear()
        deploy(world.account, stage.name, wish, parts, VERSION, world.console)
        assert "the stack is up to date" in world.shown
        assert not {"ExecuteChangeSet", "CodeBuild_20161006.StartBuild"} & set(world.gate.seen)

        newer = small_parts(tmp_path, template, stage.name, sources="FROM other")
        world.gate.seen.clear()
        deploy(world.account, stage.name, wish, newer, VERSION, world.console)
        seen = world.gate.seen
        assert seen.index("CodeBuild_20161006.StartBuild") < seen.index("ExecuteChangeSet")
    _check_logs(world, stage)
    _check_destruction(world, stage)


def _check_shown(world) -> None:
    for words in (
        r"add +DynamoDB::Table +UsersTable, .* and 4 more",
        r"secrets +1 +0\.40 +0\.40",
        r"g4dn\.xlarge +0\.\d\d +0\.5\d",
        "list prices of us-east-1",
        "CodeBuild builds the container images",
        "Darkroom .* answers",
    ):
        assert re.search(words, world.shown), words


def _check_artifacts(world, stage, tag) -> None:
    bucket, s3 = stage.artifact_bucket, world.client("s3")
    kinds = [each.partition("/")[0] for each in keys(world, bucket)]
    assert kinds == ["functions", "functions", "images", "templates"]  # the API's zip and the predictor's
    assert f"images/{tag}.zip" in keys(world, bucket)
    [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    access = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert list(access.values()) == [True] * 4
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]


def _check_logs(world, stage) -> None:
    """Lines of several groups come in their order, and only those that were asked for."""
    client, at = world.client("logs"), int(time.time()) * 1000
    for name, delay in (("training", 2), ("data", 1)):
        group = f"/{stage.stack_name}/{name}"
        client.create_log_stream(logGroupName=group, logStreamName="one")
        event = {"timestamp": at + delay, "message": f"of {name}\n"}
        client.put_log_events(logGroupName=group, logStreamName="one", logEvents=[event])
    lines = [(line.source, line.text) for line in logs.tail(client, stage, at, follow=False)]
    assert lines == [("data", "of data"), ("training", "of training")]
    assert len(list(logs.tail(client, stage, at, words="training", follow=False))) == 1
    assert list(logs.tail(client, stage, at + 60_000, follow=False)) == []


def _check_destruction(world, stage) -> None:
    s3 = world.client("s3")
    s3.put_bucket_versioning(Bucket=stage.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"old", b"new"):
        s3.put_object(Bucket=stage.bucket, Key="projects/one/images/two", Body=body)
    s3.delete_object(Bucket=stage.bucket, Key="projects/one/images/two")
    s3.create_multipart_upload(Bucket=stage.bucket, Key="transfers/half")
    for table in world.client("dynamodb").list_tables()["TableNames"]:
        # moto takes CloudFormation's "false" for a truth.
        if table.startswith(stage.prefix):
            world.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=False)

    destruction.destroy(world.account, stage.name, world.console, confirm=stage.name, tag_seconds=5)
    assert re.search(rf"bucket +{stage.bucket} +3 objects", world.shown)
    assert f"nothing is left of {stage.stack_name}" in world.shown
    assert not [each["Name"] for each in s3.list_buckets()["Buckets"] if stage.name in each["Name"]]
    tables = world.client("dynamodb").list_tables()["TableNames"]
    assert not [each for each in tables if each.startswith(stage.prefix)]
    groups = world.client("logs").describe_log_groups(logGroupNamePrefix=f"/{stage.stack_name}/")
    assert groups["logGroups"] == []
    destruction.destroy(
        world.account, stage.name, world.console, tag_seconds=5
    )  # asks nobody: nothing is there


def test_one_stage_of_a_region_makes_the_role_of_the_gateways_logs(world, stage):
    """A role of nobody's, or of a stage that is gone, is made anew; another stage's serves this one too."""
    apigateway, iam = world.client("apigateway"), world.client("iam")

    def set_role(name: str) -> None:
        arn = f"arn:aws:iam::{NUMBER}:role/{name}"
        operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
        apigateway.update_account(patchOperations=[operation])

    for name, exists, expected in (
        ("darkroom-gone-GatewayLogsRole", False, "own-role"),
        ("darkroom-other-GatewayLogsRole", True, "account-role"),
        (f"{stage.prefix}GatewayLogsRole", True, "own-role"),
    ):
        if exists:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        set_role(name)
        assert gateway.logs_by(world.client, stage) == expected, name
