"""Whether a stage can be deployed from here, and train; and what to do where it can't."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from . import artifacts, costs, quotas, stack, states
from .account import Account, translated
from .errors import DeployError
from .parts import Parts
from .planning import check_version
from .stage import Stage, check_parameters, read_parameters
from .version import Version

#: What a deployment runs by itself, and `make install` installs.
_TOOLS = ("chalice", "boto3", "yaml", "pip")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        is_right: None where it need not be, but should be known.
        text: what was found.
        command: what mends it; empty where nothing has to be.
    """

    name: str
    is_right: bool | None
    text: str
    command: str = ""


def examine(
    account: Account, name: str, parts: Parts, version: Version, template: Mapping[str, Any]
) -> Iterator[Finding]:
    """Looks at everything that a deployment needs, and goes on where something is missing.

    Args:
        template: infra/template.yaml, decoded.
    """
    stage = Stage(name=name, account=account.number, region=account.region)
    yield Finding(name="credentials", is_right=True, text=account.identity)
    yield Finding(name="region", is_right=True, text=account.region)
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("parameters", lambda: _parameters(stage, parts, template)),
        ("tools", lambda: _tools()),
        ("stack", lambda: _stack(account, stage, version)),
        ("buckets", lambda: _buckets(account, stage)),
        ("machines", lambda: _machines(account, stage, parts, template)),
        ("quotas", lambda: _quotas(account, stage, parts, template)),
        ("gateway logs", lambda: _gateway(account)),
    ]
    for what, look in looks:
        try:
            with translated(stage.make("doctor")):
                yield from look()
        except DeployError as error:
            yield Finding(name=what, is_right=False, text=error.sentence, command=error.command)


def _parameters(stage: Stage, parts: Parts, template: Mapping[str, Any]) -> Iterator[Finding]:
    values = read_parameters(parts.stages, stage.name)
    check_parameters(values, template["Parameters"], parts.stages, stage.name)
    yield Finding(name="parameters", is_right=True, text=f"{len(values)} of infra/stages/{stage.name}.json")


def _tools() -> Iterator[Finding]:
    missing = [each for each in _TOOLS if importlib.util.find_spec(each) is None]
    if missing:
        text = f"{', '.join(missing)} can't be imported"
        yield Finding(name="tools", is_right=False, text=text, command="make install")
    else:
        yield Finding(name="tools", is_right=True, text=", ".join(_TOOLS))


def _stack(account: Account, stage: Stage, version: Version) -> Iterator[Finding]:
    cloudformation = account.clients("cloudformation")
    found = states.describe(cloudformation, stage.stack_name)
    if found is None:
        yield Finding(name="stack", is_right=True, text=f"{stage.stack_name} isn't there yet")
        return
    if found.is_moving:
        text = f"{stage.stack_name} is in {found.status}; deploy waits for its end"
        yield Finding(name="stack", is_right=None, text=text)
        return
    stack.check_can_go_on(cloudformation, stage, found)
    check_version(stage, found, version)
    url = found.outputs.get("ApiUrl", "")
    yield Finding(name="stack", is_right=True, text=f"{stage.stack_name} is in {found.status} {url}".rstrip())


def _buckets(account: Account, stage: Stage) -> Iterator[Finding]:
    for name in (stage.bucket, stage.artifact_bucket):
        is_ours = artifacts.exists(account.clients("s3"), stage, name)
        yield Finding(name="bucket", is_right=True, text=f"{name} is {'ours' if is_ours else 'free'}")


def _machines(account: Account, stage: Stage, parts: Parts, template: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = costs.instance_types(template, read_parameters(parts.stages, stage.name))
    offered = account.clients("ec2").describe_instance_type_offerings(
        Filters=[{"Name": "instance-type", "Values": wanted}]
    )["InstanceTypeOfferings"]
    there = sorted(each["InstanceType"] for each in offered)
    if there:
        yield Finding(name="machines", is_right=True, text=f"{account.region} has {', '.join(there)}")
    else:
        text = f"{account.region} has none of {', '.join(wanted)}"
        yield Finding(name="machines", is_right=False, text=text, command="AWS_REGION=us-east-1 make doctor")


def _quotas(account: Account, stage: Stage, parts: Parts, template: Mapping[str, Any]) -> Iterator[Finding]:
    own = read_parameters(parts.stages, stage.name)
    wanted = int(own.get("MaxVcpus") or template["Parameters"]["MaxVcpus"]["Default"])
    for quota in quotas.read(account.clients("service-quotas"), wanted):
        text = f"{quota.vcpus} vCPUs of {quota.name}"
        if quota.asked_for > quota.vcpus:
            yield Finding(name="quota", is_right=None, text=f"{text}; {quota.asked_for} are asked for")
        elif quota.vcpus == 0:
            text += ": no training can start"
            yield Finding(name="quota", is_right=False, text=text, command=quota.command(stage))
        elif quota.vcpus < wanted:
            text += f"; the stage may grow to {wanted}"
            yield Finding(name="quota", is_right=None, text=text, command=quota.command(stage))
        else:
            yield Finding(name="quota", is_right=True, text=text)


def _gateway(account: Account) -> Iterator[Finding]:
    """API Gateway writes access logs by a role that is the account's, one for all APIs of a region."""
    try:
        role = account.clients("apigateway").get_account().get("cloudwatchRoleArn")
    except ClientError as error:
        yield Finding(name="gateway logs", is_right=None, text=f"not known: {error}")
        return
    text = role or "the account has no role for them yet; the stack sets one"
    yield Finding(name="gateway logs", is_right=True if role else None, text=text)
