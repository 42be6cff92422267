"""A stage is fitted to the machines and zones that its region has."""

from collections import Counter

import pytest

from infra.deploy import machines
from infra.deploy.errors import FailedError
from infra.deploy.stage import Stage
from infra.deploy.states import Stack
from tests.deployments import NUMBER, REGION, World

STAGE = Stage(name="m", account=NUMBER, region=REGION)
HERE, ELSEWHERE = "g4dn.xlarge,g5.xlarge", "g99.xlarge"


def template(types: str) -> dict:
    split = {"InstanceTypes": {"Fn::Split": [",", {"Ref": "GpuInstanceTypes"}]}}
    compute = {"Type": "AWS::Batch::ComputeEnvironment", "Properties": {"ComputeResources": split}}
    text = {"Type": "String", "Default": ""}
    parameters = {"GpuInstanceTypes": {**text, "Default": types}, "ZoneA": text, "ZoneB": text}
    return {"Parameters": parameters, "Resources": {"Gpus": compute}}


def stack(**parameters: str) -> Stack:
    return Stack(identity="i", status="CREATE_COMPLETE", parameters=parameters)


def fitted(world: World, types: str, before: Stack | None = None, **parameters: str) -> dict[str, str]:
    return machines.fitting(world.account.clients, STAGE, template(types), parameters, before)


def test_machines_that_the_region_lacks_are_left_out(world):
    """Of a list with one that the region lacks the others are taken; a whole list stays as it is."""
    assert fitted(world, f"{ELSEWHERE},{HERE}")["GpuInstanceTypes"] == HERE
    assert "GpuInstanceTypes" not in fitted(world, HERE)


def test_a_region_without_any_is_refused_before_anything_is_made(world):
    """The reason names the machines, and the command another region."""
    with pytest.raises(FailedError, match=f"us-east-1 has none of {ELSEWHERE}") as refused:
        fitted(world, ELSEWHERE)
    assert "REGION=us-east-1" in refused.value.command


def test_a_new_stage_gets_the_zones_with_most_of_its_machines(world):
    """No other zone of the region has more of the types than the two that are chosen."""
    offers = world.client("ec2").describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": HERE.split(",")}]
    )["InstanceTypeOfferings"]
    counts = Counter(each["Location"] for each in offers)
    found = fitted(world, HERE)
    chosen = [found["ZoneA"], found["ZoneB"]]
    assert len(set(chosen)) == 2
    assert min(counts[each] for each in chosen) >= max(
        count for zone, count in counts.items() if zone not in chosen
    )


def test_a_stack_stays_in_its_zones(world):
    """An update moves no subnet: neither of a stack that chose its zones, nor of one from before that."""
    assert fitted(world, HERE, stack(ZoneA="us-east-1e", ZoneB="us-east-1f")) == {
        "ZoneA": "us-east-1e", "ZoneB": "us-east-1f"
    }  # fmt: skip
    assert fitted(world, HERE, stack()) == {}
    assert "ZoneA" not in fitted(world, HERE, ZoneA="us-east-1b", ZoneB="us-east-1c")


def test_linked_roles_are_made_once(world):
    """Before a first stack the account has the roles that Batch, ECS and Spot act by; again is no error."""
    machines.link_roles(world.account.clients)
    machines.link_roles(world.account.clients)
    roles = world.client("iam").list_roles(PathPrefix="/aws-service-role/")["Roles"]
    assert len({each["RoleName"] for each in roles}) >= 3
