"""How many vCPUs of GPU instances the account may run at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .account import code_of
from .stage import Stage

#: Code and name of EC2's quotas for G instances, both of which count vCPUs; and what they are for.
_QUOTAS = (
    ("L-3819A6DF", "All G and VT Spot Instance Requests", "on Spot"),
    ("L-DB2E81BA", "Running On-Demand G and VT instances", "on demand"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """One of EC2's quotas.

    Attributes:
        where: what machines it is about.
        vcpus: how many there may be.
        wanted: how many the stage may use.
        asked_for: how many a request that is open asks for, 0 where there is none.
    """

    code: str
    name: str
    where: str
    vcpus: int
    wanted: int
    asked_for: int

    def command(self, stage: Stage) -> str:
        """Asks AWS for what the stage may use."""
        return (
            "aws service-quotas request-service-quota-increase --service-code ec2"
            f" --quota-code {self.code} --desired-value {self.wanted} --region {stage.region}"
        )


def wanted(template: Mapping[str, Any], parameters: Mapping[str, str]) -> int:
    """vCPUs that a stage's compute environments may grow to."""
    default = template.get("Parameters", {}).get("MaxVcpus", {}).get("Default", 0)
    return int(parameters.get("MaxVcpus", default))


def read(service_quotas: Any, vcpus: int) -> list[Quota]:
    """Spot first, then on demand.

    Args:
        vcpus: what the stage may use.
    """
    return [
        Quota(
            code=code,
            name=name,
            where=where,
            vcpus=int(_value(service_quotas, code)),
            wanted=vcpus,
            asked_for=int(_open_request(service_quotas, code)),
        )
        for code, name, where in _QUOTAS
    ]


def _value(service_quotas: Any, code: str) -> float:
    """The account's own value, or AWS's default where nobody ever asked for another."""
    try:
        answer = service_quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)
    except ClientError as error:
        if code_of(error) != "NoSuchResourceException":
            raise
        answer = service_quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=code)
    return float(answer["Quota"]["Value"])


def _open_request(service_quotas: Any, code: str) -> float:
    found = service_quotas.list_requested_service_quota_change_history_by_quota(
        ServiceCode="ec2", QuotaCode=code
    )["RequestedQuotas"]
    return max(
        (each["DesiredValue"] for each in found if each["Status"] in ("PENDING", "CASE_OPENED")), default=0.0
    )
