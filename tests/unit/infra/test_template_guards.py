"""infra/template.yaml: what keeps data safe, and who may do what."""

import re

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infra.local.aws import TEMPLATE
from infra.stages import for_stage
from tests.infra_template import arn_of, load_template, of_type

PROJECT = [{"Key": "Project", "Value": "darkroom"}, {"Key": "Stage", "Value": {"Ref": "Stage"}}]


@pytest.fixture(scope="module")
def template() -> dict:
    return load_template()


def test_every_table_can_be_brought_back_and_guarded(template):
    """Each table is on demand, recoverable for the stage's days, and undeletable where the stage says so."""
    for table in of_type(template, "DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
        assert table["PointInTimeRecoverySpecification"] == {
            "PointInTimeRecoveryEnabled": True,
            "RecoveryPeriodInDays": {"Ref": "RecoveryDays"},
        }


def test_data_outlives_a_guarded_stack_and_no_other(template):
    """With DeletionProtection tables and bucket are retained, and nothing else is; without it, nothing."""
    assert for_stage(template, {"DeletionProtection": "false"}) == template
    guarded = for_stage(template, {"DeletionProtection": "true"})["Resources"]
    data = {*of_type(template, "DynamoDB::Table"), *of_type(template, "S3::Bucket")}
    kept = {name for name, each in guarded.items() if each.get("DeletionPolicy") == "RetainExceptOnCreate"}
    assert kept == data
    changed = {name for name, each in template["Resources"].items() if guarded[name] != each}
    assert changed == data
    for name in data:
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_the_bucket_is_private_encrypted_and_versioned(template):
    """No public access, no owner but the account, encryption, and old versions for a limited time."""
    [bucket] = of_type(template, "S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket["VersioningConfiguration"] == {"Status": {"Ref": "ObjectVersioning"}}
    assert template["Parameters"]["ObjectVersioning"]["Default"] == "Enabled"


def test_nothing_in_the_bucket_is_kept_for_ever_by_accident(template):
    """Old versions and their markers, leftovers in incoming/, and unfinished uploads go by themselves."""
    [bucket] = of_type(template, "S3::Bucket").values()
    rules = {each["Id"]: each for each in bucket["LifecycleConfiguration"]["Rules"]}
    assert {each["Status"] for each in rules.values()} == {"Enabled"}
    old = rules["ForgetOldVersions"]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "RecoveryDays"}}
    assert old["ExpiredObjectDeleteMarker"] is True
    assert "Prefix" not in old
    assert (rules["ForgetIncoming"]["Prefix"], rules["ForgetIncoming"]["ExpirationInDays"]) == (
        "incoming/",
        7,
    )
    assert rules["AbortUploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


@pytest.mark.parametrize(
    ("policy", "things"),
    [
        ("BucketPolicy", [arn_of("Bucket"), {"Fn::Sub": "${Bucket.Arn}/*"}]),
        ("IngestQueuePolicy", arn_of("IngestQueue")),
        ("JobStateQueuePolicy", arn_of("JobStateQueue")),
    ],
)
def test_nothing_is_reached_without_tls(template, policy, things):
    """Bucket and queues refuse every request that isn't encrypted."""
    statements = template["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]
    [denied] = [each for each in statements if each["Effect"] == "Deny"]
    assert denied["Principal"] == "*"
    assert denied["Action"] in ("s3:*", "sqs:*")
    assert denied["Resource"] == things
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("name", ["Ingest", "JobState"])
def test_a_queue_gives_up_into_one_that_takes_from_it_alone(template, name):
    """After five tries a message goes to the queue's own dead-letter queue, which keeps it longest."""
    queues = of_type(template, "SQS::Queue")
    queue, dead = queues[f"{name}Queue"], queues[f"{name}DeadLetterQueue"]
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": arn_of(f"{name}DeadLetterQueue"),
        "maxReceiveCount": 5,
    }
    assert dead["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
    [source] = dead["RedriveAllowPolicy"]["sourceQueueArns"]
    assert source["Fn::Sub"].endswith(":" + queue["QueueName"]["Fn::Sub"])
    assert dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]
    assert queue["SqsManagedSseEnabled"] is dead["SqsManagedSseEnabled"] is True


def test_the_network_lets_nothing_in_and_costs_nothing_while_idle(template):
    """Two public subnets in two zones, gateway endpoints for S3 and DynamoDB, no NAT, no open port."""
    kinds = {each["Type"] for each in template["Resources"].values()}
    assert not kinds & {"AWS::EC2::NatGateway", "AWS::EC2::EIP"}
    subnets = of_type(template, "EC2::Subnet").values()
    assert [each["AvailabilityZone"]["Fn::If"] for each in subnets] == [
        ["HasZones", {"Ref": name}, {"Fn::Select": [index, {"Fn::GetAZs": ""}]}]
        for index, name in enumerate(("ZoneA", "ZoneB"))
    ]
    assert all(each["MapPublicIpOnLaunch"] for each in subnets)
    endpoints = of_type(template, "EC2::VPCEndpoint").values()
    services = {each["ServiceName"]["Fn::Sub"].rpartition(".")[2] for each in endpoints}
    assert services == {"s3", "dynamodb"}
    assert {each["VpcEndpointType"] for each in endpoints} == {"Gateway"}
    for group in of_type(template, "EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
    for ingress in of_type(template, "EC2::SecurityGroupIngress").values():
        assert not ingress.keys() & {"CidrIp", "CidrIpv6", "SourcePrefixListId"}


def test_everything_that_can_carry_a_tag_carries_the_projects(template):
    """Each resource whose type has tags has both of the tags by which costs are told apart."""
    untagged = []
    for name, each in template["Resources"].items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", each["Type"]).schema
        key = next((key for key in ("Tags", "ResourceTags") if key in schema["properties"]), None)
        tags = each.get("Properties", {}).get(key, [])
        pairs = [{"Key": k, "Value": v} for k, v in tags.items()] if isinstance(tags, dict) else tags
        if key and not all(tag in pairs for tag in PROJECT):
            untagged.append(name)
    assert untagged == []
    for name in ("SpotCompute", "OnDemandCompute", "NodesCompute"):
        tags = template["Resources"][name]["Properties"]["ComputeResources"]["Tags"]
        assert tags.items() >= {"Project": "darkroom"}.items()
        assert tags["Stage"] == {"Ref": "Stage"}


def test_who_may_do_anything_to_everything_says_why():
    """A resource "*" that is allowed has its reason on the same line, and no allowed action is a wildcard."""
    lines = TEMPLATE.read_text().splitlines()
    wide = [line for line in lines if re.search(r"""Resource: ["']?\*""", line)]
    assert wide
    assert [line for line in wide if not re.search(r"# \w", line)] == []


def test_no_role_is_allowed_a_wildcard_action(template):
    """Every action of every role is written out."""
    for role in of_type(template, "IAM::Role").values():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                assert "*" not in "".join([actions] if isinstance(actions, str) else actions)
