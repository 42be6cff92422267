"""What destroy ends, keeps, deletes, and can't."""

from uuid import uuid4

import pytest

from infra.deploy import destruction, removal
from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import FailedError, LeftoversError, SmokeTestError
from infra.deploy.stage import Stage
from infra.deploy.version import Version
from tests.deploying import small_parts, small_template
from tests.deployments import NUMBER, REGION, World

VERSION = Version((0, 1, 0), 100)


@pytest.fixture
def stage() -> Stage:
    """A stage that no other test has."""
    return Stage(name=f"d{uuid4().hex[:10]}", account=NUMBER, region=REGION)


def keys(world: World, bucket: str) -> list[str]:
    return [each["Key"] for each in world.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def data_template(api_url: str) -> dict:
    """A stage whose data is protected, as a stage for production has it."""
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": {"Fn::Sub": "${AWS::StackName}-Users"},
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": "true",
            "AttributeDefinitions": [{"AttributeName": "UserID", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "UserID", "KeyType": "HASH"}],
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": "true"},
        },
    }
    return small_template(api_url, UsersTable=table)


def test_protected_data_goes_only_with_purge(world, stage, tmp_path):
    """Without PURGE=1 the stack goes and tables and bucket stay; with it they go too, stack or no stack."""
    parts = small_parts(tmp_path, data_template("http://127.0.0.1:9"), stage.name)
    with pytest.raises(SmokeTestError):
        deploy(world.account, stage.name, Wish(yes=True, smoke_seconds=0), parts, VERSION, world.console)
    world.client("s3").create_bucket(Bucket=stage.bucket)
    world.client("s3").put_object(Bucket=stage.bucket, Key="projects/one", Body=b"an image")
    world.terminal.truncate(0)

    destruction.destroy(world.account, stage.name, world.console, confirm=stage.name, tag_seconds=0)
    assert "tables and bucket stay" in world.shown
    assert f"1 table and the bucket {stage.bucket} (1 object), at less than a cent a month" in world.shown
    assert f"To delete it, for good:\n    make destroy STAGE={stage.name} PURGE=1\n" in world.shown
    assert f"nothing but its data is left of {stage.stack_name}" in world.shown
    assert keys(world, stage.bucket) == ["projects/one"]
    assert f"{stage.prefix}Users" in world.client("dynamodb").list_tables()["TableNames"]
    assert stage.artifact_bucket not in _bucket_names(world)
    assert stage.stack_name not in _stack_names(world)

    destruction.destroy(
        world.account, stage.name, world.console, confirm=stage.name, purge=True, tag_seconds=0
    )
    assert stage.bucket not in _bucket_names(world)
    assert f"{stage.prefix}Users" not in world.client("dynamodb").list_tables()["TableNames"]


@pytest.mark.parametrize("by", ["file", "stack"])
def test_data_that_dynamodb_does_not_protect_is_kept_by_the_stage(world, stage, tmp_path, by):
    """The stage's file or its stack's parameter is enough: what was restored has no protection of its own."""
    template = data_template("http://127.0.0.1:9")
    del template["Resources"]["UsersTable"]["Properties"]["DeletionProtectionEnabled"]
    default = "true" if by == "stack" else "false"
    template["Parameters"]["DeletionProtection"] = {"Type": "String", "Default": default}
    parts = small_parts(tmp_path, template, stage.name)
    with pytest.raises(SmokeTestError):
        deploy(world.account, stage.name, Wish(yes=True, smoke_seconds=0), parts, VERSION, world.console)
    if by == "file":
        (parts.stages / f"{stage.name}.json").write_text('{"DeletionProtection": "true"}')
    table, dynamodb = f"{stage.prefix}Users", world.client("dynamodb")
    dynamodb.put_item(TableName=table, Item={"UserID": {"S": "one"}})

    for _ in range(2):  # with a stack, and without
        destruction.destroy(
            world.account, stage.name, world.console, confirm=stage.name, stages=parts.stages, tag_seconds=0
        )
        assert dynamodb.scan(TableName=table)["Count"] == 1
        assert dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"] is True
        assert stage.stack_name not in _stack_names(world)

    destruction.destroy(
        world.account,
        stage.name,
        world.console,
        confirm=stage.name,
        purge=True,
        stages=parts.stages,
        tag_seconds=0,
    )
    assert table not in dynamodb.list_tables()["TableNames"]


def _bucket_names(world) -> list[str]:
    return [each["Name"] for each in world.client("s3").list_buckets()["Buckets"]]


def _stack_names(world) -> list[str]:
    return [each["StackName"] for each in world.client("cloudformation").describe_stacks()["Stacks"]]


def test_what_can_not_be_deleted_is_named(world, stage, tmp_path, monkeypatch):
    """Where CloudFormation keeps a stack, destroy says why, and is the command that goes on."""
    parts = small_parts(tmp_path, small_template("http://127.0.0.1:9"), stage.name)
    with pytest.raises(SmokeTestError):
        deploy(world.account, stage.name, Wish(yes=True, smoke_seconds=0), parts, VERSION, world.console)

    def refuse(*_):
        raise ValueError("the queue is locked")

    monkeypatch.setattr("moto.sqs.models.SQSBackend.delete_queue", refuse)
    with pytest.raises(FailedError) as stopped:
        destruction.destroy(world.account, stage.name, world.console, confirm=stage.name, tag_seconds=0)
    assert str(stopped.value).endswith("the queue is locked.")
    assert stopped.value.command == f"make destroy STAGE={stage.name} PURGE=1"
    monkeypatch.undo()


def test_machines_that_have_ended_are_said_and_stop_nothing(world, stage):
    """The tagging API shows them for hours; whatever else bears the stage's tags is an error."""
    ec2 = world.client("ec2")
    tags = [{"Key": key, "Value": value} for key, value in stage.tags.items()]
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    ec2.create_tags(Resources=[volume], Tags=tags)
    world.terminal.truncate(0)
    destruction.destroy(world.account, stage.name, world.console, tag_seconds=0)
    assert f":volume/{volume}" in world.shown
    assert f"nothing is left of {stage.stack_name}" in world.shown
    topic = world.client("sns").create_topic(Name=f"{stage.prefix}alarms", Tags=tags)["TopicArn"]
    with pytest.raises(LeftoversError, match=f"there is still: {topic}"):
        destruction.destroy(world.account, stage.name, world.console, tag_seconds=0)


def test_jobs_under_way_end_first(world, stage, tmp_path):
    """What runs in the stage's queues is ended, and no more is taken, before anything is deleted."""
    batch = world.client("batch")
    role = world.client("iam").create_role(RoleName=stage.stack_name, AssumeRolePolicyDocument="{}")["Role"]
    environment = batch.create_compute_environment(
        computeEnvironmentName=f"{stage.prefix}none", type="UNMANAGED", serviceRole=role["Arn"]
    )
    queue = batch.create_job_queue(
        jobQueueName=f"{stage.prefix}training",
        priority=1,
        state="ENABLED",
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}],
    )["jobQueueArn"]
    definition = batch.register_job_definition(
        jobDefinitionName=f"{stage.prefix}training",
        type="container",
        containerProperties={"image": "none", "command": ["true"], "memory": 128, "vcpus": 1},
    )["jobDefinitionArn"]
    job = batch.submit_job(jobName="one", jobQueue=queue, jobDefinition=definition)["jobId"]
    assert removal.end_jobs(batch, stage, [queue, f"{queue}-gone"], [], world.client("codebuild")) == 1
    assert batch.describe_jobs(jobs=[job])["jobs"][0]["status"] == "FAILED"
    assert batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]["state"] == "DISABLED"
    assert removal.end_jobs(batch, stage, [queue], [], world.client("codebuild")) == 0
