"""infra/template.yaml: the machines and containers that jobs run in, and where their images come from."""

import json
import re
import subprocess
from email import message_from_string

import pytest

from infra.local.jobs import Outcome, retries
from infra.stages import gpu_instance_types
from tests.infra_template import arn_of, load_template, of_type


@pytest.fixture(scope="module")
def template() -> dict:
    return load_template()


def test_the_disk_is_encrypted_and_the_machines_credentials_are_out_of_reach(template):
    """IMDSv2 with one hop, and at boot a rule that only root may ask it, whose script bash can read."""
    [launch] = of_type(template, "EC2::LaunchTemplate").values()
    data = launch["LaunchTemplateData"]
    assert all(each["Ebs"]["Encrypted"] for each in data["BlockDeviceMappings"])
    assert data["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    [part] = message_from_string(data["UserData"]["Fn::Base64"]["Fn::Sub"]).get_payload()
    assert part.get_content_type() == "text/x-shellscript"
    script = part.get_payload().replace("${AWS::StackName}", "darkroom-dev")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    rule = "--insert OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner 0 --jump REJECT"
    assert rule in re.sub(r"\\\n\s*", "", script)
    assert "ECS_AWSVPC_BLOCK_IMDS=true" in script


def _containers(template: dict) -> list[dict]:
    found = []
    for each in of_type(template, "Batch::JobDefinition").values():
        nodes = each.get("NodeProperties", {}).get("NodeRangeProperties", [])
        found += [each["ContainerProperties"]] if "ContainerProperties" in each else []
        found += [node["Container"] for node in nodes]
    return found


def test_a_container_is_no_root_and_writes_to_its_scratch_alone(template):
    """Every job runs as a user, unprivileged, on a read-only root with a volume at /tmp."""
    containers = _containers(template)
    assert len(containers) == 3
    for each in containers:
        assert each["User"].split(":")[0] not in ("0", "root")
        assert not each.get("Privileged")
        assert each["ReadonlyRootFilesystem"] is True
        assert each["Volumes"] == [{"Name": "scratch"}]
        assert each["MountPoints"] == [{"SourceVolume": "scratch", "ContainerPath": "/tmp"}]


@pytest.mark.parametrize("name", ["JobDefinition", "NodesJobDefinition", "DataJobDefinition"])
def test_a_job_is_tried_again_for_its_machine_and_its_image_only(template, name):
    """A lost machine and an image that couldn't be pulled are tried again, a failed program isn't."""
    definition = template["Resources"][name]["Properties"]
    rules = [
        {key[0].lower() + key[1:]: value for key, value in each.items()}
        for each in definition["RetryStrategy"]["EvaluateOnExit"]
    ]
    strategy = {"attempts": definition["RetryStrategy"]["Attempts"], "evaluateOnExit": rules}
    lost = "Your Spot Task was interrupted." if name == "DataJobDefinition" else "Host EC2 (i-1) terminated."
    pull = "CannotPullContainerError: pull image manifest has been retried 5 time(s)"
    assert len(rules) <= 5
    assert retries(strategy, 1, Outcome(exit_code=1, status_reason=lost))
    assert retries(strategy, 1, Outcome(exit_code=1, status_reason="Task failed to start", reason=pull))
    assert not retries(strategy, 1, Outcome(exit_code=1))
    assert definition["Timeout"]["AttemptDurationSeconds"]["Ref"] in template["Parameters"]


def test_no_job_waits_for_ever(template):
    """Each job queue cancels a job that can't start, for each of the reasons that Batch gives for it."""
    for name, queue in of_type(template, "Batch::JobQueue").items():
        limits = queue["JobStateTimeLimitActions"]
        assert {(each["State"], each["Action"]) for each in limits} == {("RUNNABLE", "CANCEL")}
        reasons = {each["Reason"].partition(":")[0] for each in limits}
        # Fargate has no instances that could be missing.
        assert reasons == {"MISCONFIGURATION"} | (set() if name.startswith("Data") else {"CAPACITY"})


@pytest.mark.parametrize(
    ("name", "kind", "strategy"),
    [
        ("SpotCompute", "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED"),
        ("OnDemandCompute", "EC2", "BEST_FIT_PROGRESSIVE"),
        ("NodesCompute", "EC2", "BEST_FIT_PROGRESSIVE"),
    ],
)
def test_gpu_machines_come_in_several_sizes_and_go_again(template, name, kind, strategy):
    """Each environment has three families to choose from, shrinks to nothing, and can be changed in place."""
    environment = of_type(template, "Batch::ComputeEnvironment")[name]
    compute = environment["ComputeResources"]
    assert (compute["Type"], compute["AllocationStrategy"], compute["MinvCpus"]) == (kind, strategy, 0)
    assert compute["InstanceTypes"] == {"Fn::Split": [",", {"Ref": "GpuInstanceTypes"}]}
    types = gpu_instance_types(template, {})
    assert {each.partition(".")[0] for each in types} == {"g6", "g5", "g4dn"}
    assert len({each.partition(".")[2] for each in types}) > 1
    assert "ServiceRole" not in environment
    assert environment["ReplaceComputeEnvironment"] is False
    assert environment["UpdatePolicy"]["TerminateJobsOnUpdate"] is False


def test_a_stage_may_train_on_other_machines(template):
    """A stage's own machines stand for the template's."""
    assert gpu_instance_types(template, {"GpuInstanceTypes": "g6.12xlarge,g5.12xlarge"}) == [
        "g6.12xlarge",
        "g5.12xlarge",
    ]


def test_images_are_scanned_fixed_and_forgotten(template):
    """Each repository scans what is pushed, never changes what a tag means, and keeps few images."""
    repositories = of_type(template, "ECR::Repository").values()
    assert len(repositories) == 2
    for each in repositories:
        assert each["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert each["ImageTagMutability"] == "IMMUTABLE"
        rules = json.loads(each["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        kept = {
            tuple(rule["selection"].get("tagPrefixList", [])): rule["selection"]["countNumber"]
            for rule in rules
        }
        assert kept == {("runtime-",): 2, (): 10}
    images = {each["Image"]["Fn::If"][2]["Fn::Sub"].rpartition("/")[2] for each in _containers(template)}
    assert images == {"${TrainingRepository}:${ImageTag}", "${DataRepository}:${ImageTag}"}


def test_images_are_built_where_there_are_sources(template):
    """The build reads the zip of the tag and nothing else, and pushes to the two repositories alone."""
    [(name, project)] = of_type(template, "CodeBuild::Project").items()
    assert template["Resources"][name]["Condition"] == "HasArtifacts"
    assert project["Source"] == {
        "Type": "S3",
        "Location": {"Fn::Sub": "${ArtifactBucket}/images/${ImageTag}.zip"},
        "BuildSpec": "infra/buildspec.yaml",
    }
    variables = {each["Name"] for each in project["Environment"]["EnvironmentVariables"]}
    assert variables == {"TRAINING_REPOSITORY", "DATA_REPOSITORY", "IMAGE_TAG", "BASE_IMAGE", "WEIGHTS"}
    assert project["Environment"]["PrivilegedMode"] is True
    [policy] = template["Resources"]["ImageBuildRole"]["Properties"]["Policies"]
    rights = {each["Sid"]: each["Resource"] for each in policy["PolicyDocument"]["Statement"]}
    assert rights["ReadSources"] == {"Fn::Sub": "arn:${AWS::Partition}:s3:::${ArtifactBucket}/images/*"}
    assert rights["PushAndLook"] == [arn_of("TrainingRepository"), arn_of("DataRepository")]
    assert template["Outputs"]["ImageBuild"]["Value"] == {"Ref": name}
