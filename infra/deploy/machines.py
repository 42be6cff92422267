"""Which machines a region has, and in which zones: Batch refuses a whole list for one that it lacks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from . import costs
from .account import Clients, code_of
from .errors import FailedError
from .stage import Stage
from .states import Stack

TYPES, ZONES = "GpuInstanceTypes", ("ZoneA", "ZoneB")
_THERE, _DENIED = {"InvalidInput", "EntityAlreadyExists"}, {"AccessDenied", "AccessDeniedException"}
#: Services whose roles an account gets once: AWS makes them with what first needs one, which may be too late.
_LINKED = ("batch.amazonaws.com", "ecs.amazonaws.com", "spot.amazonaws.com")


def offered(clients: Clients, types: Sequence[str]) -> list[str]:
    """Those of the types that the region has, in their order."""
    there = {each["InstanceType"] for each in _offerings(clients, types, "region")}
    return [each for each in types if each in there]


def fitting(
    clients: Clients,
    stage: Stage,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    before: Stack | None,
) -> dict[str, str]:
    """Parameters that fit the stage's machines to its region.

    A stack keeps the zones that it has: its subnets, and all that is in them, would be made anew. Zones that
    the stage itself names stay.

    Raises:
        FailedError: the region has none of the machines.
    """
    known, types = template.get("Parameters", {}), costs.instance_types(template, parameters)
    if TYPES not in known or not types:
        return {}
    there = offered(clients, types)
    if not there:
        other = replace(stage, region="us-east-1", names_region=True).make("deploy")
        raise FailedError(f"{stage.region} has none of {', '.join(types)}.", other)
    found = {TYPES: ",".join(there)} if len(there) < len(types) else {}
    kept = [before.parameters.get(name, "") for name in ZONES] if before else _zones(clients, there)
    return found | {
        name: zone
        for name, zone in zip(ZONES, kept, strict=False)  # a region may have a single zone
        if zone and name in known.keys() - parameters.keys()
    }


def _zones(clients: Clients, types: Sequence[str]) -> list[str]:
    """The two zones of the region that have most of the types."""
    available = clients("ec2").describe_availability_zones(
        Filters=[
            {"Name": "zone-type", "Values": ["availability-zone"]},
            {"Name": "state", "Values": ["available"]},
        ]
    )["AvailabilityZones"]
    names = [each["ZoneName"] for each in available]
    counts = Counter(each["Location"] for each in _offerings(clients, types, "availability-zone"))
    return sorted(names, key=lambda name: (-counts[name], name))[: len(ZONES)]


def _offerings(clients: Clients, types: Sequence[str], where: str) -> list[dict[str, str]]:
    pages = (
        clients("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(LocationType=where, Filters=[{"Name": "instance-type", "Values": list(types)}])
    )
    return [each for page in pages for each in page["InstanceTypeOfferings"]]


def link_roles(clients: Clients) -> None:
    """Makes the roles of Batch, ECS and Spot, where the account hasn't them yet and these rights allow it."""
    for service in _LINKED:
        try:
            clients("iam").create_service_linked_role(AWSServiceName=service)
        except ClientError as error:
            # Denied: AWS makes it itself, if not at the first try.
            if code_of(error) not in _THERE | _DENIED:
                raise
