"""Whether a stage can be deployed from here, and train; and what to do where it can't."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import artifacts, costs, gateway, images, machines, quotas, stack, states
from .account import Account, translated
from .errors import DeployError
from .parts import Parts, described
from .planning import check_version
from .stage import Stage, check_parameters, read_parameters
from .version import Version


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


def examine(account: Account, name: str, parts: Parts, version: Version) -> Iterator[Finding]:
    """Looks at everything that a deployment needs, and goes on where something is missing."""
    stage = account.stage(name)
    yield Finding(name="credentials", is_right=True, text=account.identity)
    yield Finding(name="region", is_right=True, text=account.region)
    template: dict[str, Any] = {}
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("package", lambda: _package(stage, parts, template)),
        ("parameters", lambda: _parameters(stage, parts, template)),
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


def _package(stage: Stage, parts: Parts, template: dict[str, Any]) -> Iterator[Finding]:
    """Packages, as that is what can go wrong; what comes after needs the template of it."""
    package = parts.package(stage.region)
    template |= json.loads(package.template.read_text())
    functions = {**template.get("Globals", {}).get("Function", {})}
    for each in template["Resources"].values():
        if each["Type"] == "AWS::Serverless::Function":
            functions |= each["Properties"]
    target = f"{functions.get('Runtime', '')} on {', '.join(functions.get('Architectures', []))}"
    is_right = True if package.is_compiled else None
    yield Finding(name="package", is_right=is_right, text=f"for {target}, {described(package)}")


def _parameters(stage: Stage, parts: Parts, template: Mapping[str, Any]) -> Iterator[Finding]:
    values = read_parameters(parts.stages, stage.name)
    if template:
        check_parameters(values, template["Parameters"], parts.stages, stage.name)
    images.choices(values, parts.stages, stage.name)
    yield Finding(name="parameters", is_right=True, text=f"{len(values)} of infra/stages/{stage.name}.json")


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
    stack.check_can_go_on(account.clients, stage, found)
    check_version(stage, found, version)
    url = found.outputs.get("ApiUrl", "")
    yield Finding(name="stack", is_right=True, text=f"{stage.stack_name} is in {found.status} {url}".rstrip())


def _buckets(account: Account, stage: Stage) -> Iterator[Finding]:
    for name in (stage.bucket, stage.artifact_bucket):
        is_ours = artifacts.exists(account.clients("s3"), stage, name)
        yield Finding(name="bucket", is_right=True, text=f"{name} is {'ours' if is_ours else 'free'}")


def _machines(account: Account, stage: Stage, parts: Parts, template: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = costs.instance_types(template, read_parameters(parts.stages, stage.name)) if template else []
    if not wanted:
        return
    there = machines.offered(account.clients, wanted)
    if there:
        missing = [each for each in wanted if each not in there]
        less = f"; deploy leaves out {', '.join(missing)}" if missing else ""
        text = f"{account.region} has {', '.join(there)}{less}"
        yield Finding(name="machines", is_right=None if missing else True, text=text)
    else:
        text = f"{account.region} has none of {', '.join(wanted)}"
        other = replace(stage, region="us-east-1", names_region=True).make("doctor")
        yield Finding(name="machines", is_right=False, text=text, command=other)


def _quotas(account: Account, stage: Stage, parts: Parts, template: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = quotas.wanted(template, read_parameters(parts.stages, stage.name))
    found = quotas.read(account.clients("service-quotas"), wanted)
    for quota in found:
        text = f"{quota.vcpus} vCPUs of {quota.name}"
        if quota.asked_for > quota.vcpus:
            yield Finding(name="quota", is_right=None, text=f"{text}; {quota.asked_for} are asked for")
        elif quota.vcpus == 0:
            # One of the two is enough to train.
            is_right = None if any(each.vcpus for each in found) else False
            text += f": no training {quota.where} can start"
            yield Finding(name="quota", is_right=is_right, text=text, command=quota.command(stage))
        elif quota.vcpus < wanted:
            text += f"; the stage may grow to {wanted}"
            yield Finding(name="quota", is_right=None, text=text, command=quota.command(stage))
        else:
            yield Finding(name="quota", is_right=True, text=text)


def _gateway(account: Account) -> Iterator[Finding]:
    found = gateway.role(account.clients)
    text = found or "the account has no role for them in this region yet; the stack makes one"
    yield Finding(name="gateway logs", is_right=True, text=text)
