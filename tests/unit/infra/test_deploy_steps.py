"""Steps of a deployment whose other side no emulator has."""

from datetime import UTC, date, datetime
from io import StringIO

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from rich.console import Console

from infra.deploy import (
    artifacts,
    destruction,
    images,
    inventory,
    quotas,
    smoke,
    spend,
    stack,
    states,
    terminal,
)
from infra.deploy.account import translated
from infra.deploy.errors import AccountError, FailedError, NameTakenError, SmokeTestError
from infra.deploy.stage import Stage
from infra.deploy.version import Version, of_checkout

STAGE = Stage(name="dev", account="123456789012", region="eu-west-1")


@pytest.fixture
def stubbed():
    """Makes a client whose answers are queued, all of which must be used."""
    made = []

    def make(service: str):
        client = boto3.client(service, "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        made.append(Stubber(client))
        made[-1].activate()
        return client, made[-1]

    yield make
    for stubber in made:
        stubber.assert_no_pending_responses()


def build(status: str, tag: str = "abc", phase: str = "BUILD") -> dict:
    variables = [{"name": "IMAGE_TAG", "value": tag}]
    return {
        "id": "images:1",
        "buildStatus": status,
        "currentPhase": phase,
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "x",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": variables,
        },
        "phases": [{"phaseType": phase, "phaseStatus": "FAILED" if status == "FAILED" else "SUCCEEDED"}],
    }


@pytest.mark.parametrize(
    ("newest", "starts"),
    [(build("IN_PROGRESS"), False), (build("IN_PROGRESS", tag="other"), True), (build("FAILED"), True)],
    ids=["the same", "another", "a failed one"],
)
def test_an_image_build_under_way_is_not_started_twice(stubbed, newest, starts):
    """After an interruption the build of the same sources is found; another or a failed one is none."""
    client, stubber = stubbed("codebuild")
    stubber.add_response("list_builds_for_project", {"ids": ["images:1"]})
    stubber.add_response("batch_get_builds", {"builds": [newest]})
    if starts:
        # All of them: the project may still have those of the deployment before.
        variables = {"IMAGE_TAG": "abc", "BASE_IMAGE": "default", "WEIGHTS": "resnet18 swin_t"}
        expected = {
            "projectName": "images",
            "sourceTypeOverride": "S3",
            "sourceLocationOverride": "artifacts/images/abc.zip",
            "environmentVariablesOverride": [
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
            ],
        }
        stubber.add_response("start_build", {"build": {"id": "images:2"}}, expected)
    chosen = {"WEIGHTS": "resnet18 swin_t"}
    found = images.start(client, "images", bucket="artifacts", tag="abc", chosen=chosen)
    assert found == ("images:2" if starts else "images:1")


def test_an_image_build_that_fails_says_in_which_phase(stubbed):
    """Each phase is shown once; a failure is an error that names the logs."""
    client, stubber = stubbed("codebuild")
    for each in (build("IN_PROGRESS", phase="QUEUED"), build("IN_PROGRESS", phase="QUEUED"), build("FAILED")):
        stubber.add_response("batch_get_builds", {"builds": [each]})
    phases: list[str] = []
    with pytest.raises(FailedError, match="ended with FAILED in build") as failed:
        images.wait(client, STAGE, "images:1", phases.append)
    assert phases == ["queued", "build"]
    assert failed.value.command == "make logs STAGE=dev"


def test_a_quota_that_nobody_changed_is_awss_default(stubbed):
    """An account without a value of its own has AWS's; of its requests only open ones count."""
    client, stubber = stubbed("service-quotas")
    requests = [{"Status": "CASE_OPENED", "DesiredValue": 16.0}, {"Status": "DENIED", "DesiredValue": 64.0}]
    stubber.add_client_error("get_service_quota", "NoSuchResourceException")
    stubber.add_response("get_aws_default_service_quota", {"Quota": {"Value": 0.0}})
    stubber.add_response(
        "list_requested_service_quota_change_history_by_quota", {"RequestedQuotas": requests}
    )
    stubber.add_response("get_service_quota", {"Quota": {"Value": 8.0}})
    stubber.add_response("list_requested_service_quota_change_history_by_quota", {"RequestedQuotas": []})
    spot, on_demand = quotas.read(client, 32)
    assert (spot.code, spot.vcpus, spot.asked_for) == ("L-3819A6DF", 0, 16)
    assert (on_demand.code, on_demand.vcpus, on_demand.asked_for) == ("L-DB2E81BA", 8, 0)
    assert on_demand.command(STAGE).endswith("--desired-value 32 --region eu-west-1")


STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/darkroom-dev/1"


def event(number: int, name: str, status: str, physical: str | None = None, reason: str = "") -> dict:
    made = {
        "EventId": str(number),
        "StackId": STACK,
        "StackName": "darkroom-dev",
        "Timestamp": datetime(2026, 1, 31, tzinfo=UTC),
        "LogicalResourceId": name,
        "ResourceStatus": status,
    }
    return (
        made
        | ({"PhysicalResourceId": physical} if physical else {})
        | ({"ResourceStatusReason": reason} if reason else {})
    )


def test_a_right_that_is_missing_is_no_name_that_is_taken(stubbed):
    """Of CreateBucket's refusals one alone says that another account has the bucket."""
    client, stubber = stubbed("s3")
    stubber.add_client_error("create_bucket", "BucketAlreadyExists")
    with pytest.raises(NameTakenError):
        artifacts.ensure(client, STAGE)
    stubber.add_client_error("create_bucket", "AccessDenied")
    with pytest.raises(AccountError, match="may not call CreateBucket"), translated("make deploy STAGE=dev"):
        artifacts.ensure(client, STAGE)


def test_a_domain_without_a_record_is_told_which_it_needs():
    """A name that DNS doesn't have is told from an API that is down, on a domain of one's own."""
    target = "d-1.execute-api.eu-west-1.amazonaws.com"
    with pytest.raises(SmokeTestError) as stopped:
        smoke.check(STAGE, "https://darkroom.invalid", 0, target)
    assert "DNS has no darkroom.invalid yet. Make a CNAME record" in str(stopped.value)
    assert str(stopped.value).endswith(f"leads to {target}.")
    assert stopped.value.command == "make deploy STAGE=dev"
    for url, domain_target in (("https://darkroom.invalid", ""), ("http://127.0.0.1:9", target)):
        with pytest.raises(SmokeTestError, match="does not answer as it should"):
            smoke.check(STAGE, url, 0, domain_target)


def test_a_table_that_goes_meanwhile_is_not_protected(stubbed):
    """Between the list and the look at each a table may end; all else that DynamoDB refuses is an error."""
    client, stubber = stubbed("dynamodb")
    stubber.add_client_error("describe_table", "ResourceNotFoundException")
    assert not inventory._is_protected(client, "darkroom-dev-Users")
    stubber.add_client_error("describe_table", "AccessDeniedException")
    with pytest.raises(ClientError):
        inventory._is_protected(client, "darkroom-dev-Users")


def test_what_was_never_made_has_no_id(stubbed):
    """A resource that failed before it had an id is a reason like any other, and no queue to end."""
    client, stubber = stubbed("cloudformation")
    failed = event(2, "TrainingQueue", "CREATE_FAILED", reason="Limit exceeded")
    newest_first = [failed, event(1, "darkroom-dev", "CREATE_IN_PROGRESS", STACK)]
    stubber.add_response("describe_stack_events", {"StackEvents": newest_first})
    assert states.because(client, STACK) == " TrainingQueue: Limit exceeded."
    console = Console(file=StringIO(), width=160)
    with terminal.stack_progress(console, "darkroom-dev", 2) as watch:
        for each in (failed, event(3, "TrainingQueue", "DELETE_COMPLETE")):
            watch(each)
    assert "create_failed TrainingQueue: Limit exceeded" in console.file.getvalue()
    queue = {
        "LogicalResourceId": "TrainingQueue",
        "ResourceType": "AWS::Batch::JobQueue",
        "ResourceStatus": "CREATE_FAILED",
        "LastUpdatedTimestamp": datetime(2026, 1, 31, tzinfo=UTC),
    }
    summaries = [queue, {**queue, "PhysicalResourceId": "arn"}]
    stubber.add_response("list_stack_resources", {"StackResourceSummaries": summaries})
    assert destruction._physical(stack.resources(client, STACK), "AWS::Batch::JobQueue") == ["arn"]


def test_a_stack_that_only_took_something_in_is_done(stubbed):
    """IMPORT_COMPLETE is a success."""
    client, stubber = stubbed("cloudformation")
    first, done = (
        event(1, "darkroom-dev", "IMPORT_IN_PROGRESS", STACK),
        event(2, "darkroom-dev", "IMPORT_COMPLETE", STACK),
    )
    described = {
        "StackId": STACK,
        "StackName": "darkroom-dev",
        "CreationTime": datetime(2026, 1, 31, tzinfo=UTC),
        "StackStatus": "IMPORT_COMPLETE",
    }
    stubber.add_response("describe_stack_events", {"StackEvents": []})
    stubber.add_response("execute_change_set", {})
    stubber.add_response("describe_stack_events", {"StackEvents": [first]})
    stubber.add_response("describe_stacks", {"Stacks": [described]})
    stubber.add_response("describe_stack_events", {"StackEvents": [done, first]})
    change_set = stack.ChangeSet(name="one", stack=STACK, creates=True, changes=[])
    assert stack.carry_out(lambda _: client, STAGE, change_set, lambda _: None).status == "IMPORT_COMPLETE"


def period(start: str, **services: str) -> dict:
    groups = [
        {"Keys": [name], "Metrics": {"UnblendedCost": {"Amount": usd, "Unit": "USD"}}}
        for name, usd in services.items()
    ]
    return {"TimePeriod": {"Start": start, "End": "2026-12-01"}, "Groups": groups}


def cost_tag(key: str, status: str) -> dict:
    return {"TagKey": key, "Type": "UserDefined", "Status": status}


def tagged(key: str, value: str) -> dict:
    return {"Tags": {"Key": key, "Values": [value], "MatchOptions": ["EQUALS"]}}


def test_spend_is_asked_for_by_the_stages_tags(stubbed):
    """Whole months, today included, of what bears both of the stage's tags, page by page."""
    client, stubber = stubbed("ce")
    active = [cost_tag("Project", "Active"), cost_tag("Stage", "Active")]
    stubber.add_response("list_cost_allocation_tags", {"CostAllocationTags": active})
    question = {
        "TimePeriod": {"Start": "2025-12-01", "End": "2026-02-01"},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "Filter": {"And": [tagged("Project", "darkroom"), tagged("Stage", "dev")]},
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    first = {"ResultsByTime": [period("2025-12-01", EC2="1.5")], "NextPageToken": "more"}
    second = {"ResultsByTime": [period("2025-12-01", S3="0.25"), period("2026-01-01", EC2="2")]}
    stubber.add_response("get_cost_and_usage", first, question)
    stubber.add_response("get_cost_and_usage", second, {**question, "NextPageToken": "more"})
    found = spend.by_service(client, STAGE, 2, date(2026, 1, 31))
    assert found == {"2025-12": {"EC2": 1.5, "S3": 0.25}, "2026-01": {"EC2": 2.0}}


def test_a_tag_that_bills_do_not_show_is_said_to_be_so(stubbed):
    """Without both tags activated every sum would be nothing: the command that activates them is named."""
    client, stubber = stubbed("ce")
    asked = {"TagKeys": ["Project", "Stage"]}
    stubber.add_response("list_cost_allocation_tags", {"CostAllocationTags": []}, asked)
    with pytest.raises(AccountError, match="Bills don't show by tag yet: Project and Stage") as stopped:
        spend.by_service(client, STAGE, 1, date(2026, 1, 31))
    assert stopped.value.command.endswith(" TagKey=Project,Status=Active TagKey=Stage,Status=Active")
    found = [cost_tag("Project", "Inactive"), cost_tag("Stage", "Active")]
    stubber.add_response("list_cost_allocation_tags", {"CostAllocationTags": found}, asked)
    with pytest.raises(AccountError, match="yet: Project") as stopped:
        spend.by_service(client, STAGE, 1, date(2026, 1, 31))
    assert stopped.value.command.endswith("tags-status TagKey=Project,Status=Active")


def test_an_account_of_an_organisation_has_no_tags_of_its_own(stubbed):
    """Only the management account may list cost allocation tags; its members read costs all the same."""
    client, stubber = stubbed("ce")
    stubber.add_client_error(
        "list_cost_allocation_tags", "AccessDeniedException", "Linked account doesn't have access"
    )
    stubber.add_response("get_cost_and_usage", {"ResultsByTime": [period("2026-01-01", EC2="2")]})
    assert spend.by_service(client, STAGE, 1, date(2026, 1, 31)) == {"2026-01": {"EC2": 2.0}}


def test_cost_explorer_that_is_off_is_said_to_be_so(stubbed):
    """An account that never opened it has no data."""
    client, stubber = stubbed("ce")
    stubber.add_client_error("list_cost_allocation_tags", "DataUnavailableException")
    with pytest.raises(AccountError, match="Cost Explorer has no data yet"):
        spend.by_service(client, STAGE, 1, date(2026, 1, 31))


def test_versions_are_ordered_by_release_then_by_commit(tmp_path):
    """A later release is newer whatever its commit's time; an archive has its number alone."""
    ordered = ["0.1.0", "0.1.0+5", "0.1.0+70", "0.2.0", "0.10.0+1", "1.0.0"]
    assert sorted(Version.read(text) for text in reversed(ordered)) == [
        Version.read(text) for text in ordered
    ]
    assert [str(Version.read(text)) for text in ordered] == ordered
    assert Version.read("latest") is None
    assert of_checkout(tmp_path).committed_at == 0


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2", "ap-northeast-1"])
def test_bucket_names_are_short_enough_for_s3(region):
    """The longest stage's names have 63 letters at most in the longest region."""
    stage = Stage(name="a" * 16, account="123456789012", region=region)
    assert max(len(stage.bucket), len(stage.artifact_bucket)) <= 63
