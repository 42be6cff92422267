"""What a deployment is going to do: parameters, package and template, checked before anything is changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from . import artifacts, gateway, images, inventory, machines, stack, states, terminal
from .account import Account
from .errors import NameTakenError, NewerVersionError
from .parts import Package, Parts, Sources, described
from .stage import Stage, check_parameters, read_parameters
from .template import VERSION_OUTPUT, prepared
from .version import Version

#: Parameter that says who makes the role of API Gateway's logs.
_LOGS_BY = "GatewayLogsBy"
#: Parameter that says whether DynamoDB refuses to delete the tables.
_PROTECTION = "DeletionProtection"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is known before anything is changed but for the artifact bucket."""

    stage: Stage
    parameters: Mapping[str, str]
    package: Package
    sources: Sources
    chosen: Mapping[str, str]  # arguments of the images' Dockerfiles
    template: Mapping[str, Any]
    before: states.Stack | None
    adopts: bool  # data of an earlier stack of this name

    @property
    def protects_later(self) -> bool:
        """Whether the tables are made without their protection, and get it when the whole stack is there.

        A protected table refuses to go with a creation that fails, and keeps the stack in ROLLBACK_FAILED.
        """
        is_new = self.before is None and not self.adopts
        return is_new and self.parameters.get(_PROTECTION) == "true"

    @property
    def first_parameters(self) -> Mapping[str, str]:
        """Those of the first change set."""
        return {**self.parameters, _PROTECTION: "false"} if self.protects_later else self.parameters


def plan(
    account: Account, stage: Stage, downgrade: bool, parts: Parts, version: Version, console: Console
) -> Plan:
    """Gathers all that a deployment needs.

    Args:
        downgrade: whether the stack may be of a newer version.

    Raises:
        DeployError: it can't go on; says why.
    """
    values = read_parameters(parts.stages, stage.name)
    before = _ready(account, stage, console)
    adopts = before is None and _has_data(account, stage)
    if adopts:
        _check_may_adopt(stage, values, console)
    if before and not downgrade:
        check_version(stage, before, version)
    package = parts.package(stage.region)
    terminal.say(console, f"packaged the functions: {described(package)}")
    whole = parts.for_stage(json.loads(package.template.read_text()), values)
    check_parameters(values, whole.get("Parameters", {}), parts.stages, stage.name)
    chosen = images.choices(values, parts.stages, stage.name)
    sources = parts.sources(chosen)
    parameters = _parameters(account, stage, whole, values, sources, before, console)
    return Plan(
        stage=stage,
        parameters=parameters,
        package=package,
        sources=sources,
        chosen=chosen,
        template=prepared(whole, stage, package, version, parameters, adopts=adopts),
        before=before,
        adopts=adopts,
    )


def _parameters(
    account: Account,
    stage: Stage,
    template: Mapping[str, Any],
    values: Mapping[str, str],
    sources: Sources,
    before: states.Stack | None,
    console: Console,
) -> dict[str, str]:
    """The stage's own, those that a deployment sets, and those that fit it to its region."""
    known = template.get("Parameters", {})
    ours = {"Stage": stage.name, "ArtifactBucket": stage.artifact_bucket, "ImageTag": sources.tag}
    parameters = {**values, **{key: value for key, value in ours.items() if key in known}}
    if _LOGS_BY in known:
        parameters.setdefault(_LOGS_BY, gateway.logs_by(account.clients, stage))
    fitted = machines.fitting(account.clients, stage, template, parameters, before)
    if kept := fitted.get(machines.TYPES):
        terminal.say(console, f"{stage.region} has of the machines only {kept}", "[yellow]![/]")
    return parameters | fitted


def _ready(account: Account, stage: Stage, console: Console) -> states.Stack | None:
    """The stack, if it was ever made, when nothing is under way in it."""
    cloudformation = account.clients("cloudformation")
    found = states.describe(cloudformation, stage.stack_name)
    if found is not None and found.is_moving:
        terminal.say(
            console, f"{found.status} is under way in the stack: waiting for its end", "[yellow]![/]"
        )
        with terminal.stack_progress(console, "waiting", 0) as watch:
            found = stack.settled(cloudformation, stage.stack_name, watch)
    if found is None:
        return None
    stack.check_can_go_on(account.clients, stage, found)
    if found.status != "REVIEW_IN_PROGRESS":
        return found
    # An earlier deploy ended before anything was made.
    stack.delete_empty(cloudformation, found.identity)
    return None


def check_version(stage: Stage, found: states.Stack, version: Version) -> None:
    """Checks that the stack wasn't made from a newer checkout.

    Raises:
        NewerVersionError: it was.
    """
    deployed = Version.read(found.outputs.get(VERSION_OUTPUT, ""))
    if deployed is not None and version < deployed:
        raise NewerVersionError(
            f"{stage.stack_name} runs {deployed}, and this checkout is the older {version}."
            f" ({stage.make('deploy', DOWNGRADE='1')} goes back all the same.)",
            f"git pull && {stage.make('deploy')}",
        )


def _has_data(account: Account, stage: Stage) -> bool:
    """Whether tables or a bucket of this name are there without a stack.

    CloudFormation would run into them after minutes, and leave a stack that can only be deleted.
    """
    has_bucket = artifacts.exists(account.clients("s3"), stage, stage.bucket)
    return has_bucket or any(inventory.tables(account.clients("dynamodb"), stage))


def _check_may_adopt(stage: Stage, parameters: Mapping[str, str], console: Console) -> None:
    """Checks that the stage keeps its data: CloudFormation takes in only what it would leave again.

    Raises:
        NameTakenError: it doesn't.
    """
    if parameters.get(_PROTECTION) != "true":
        raise NameTakenError(
            f"Tables or the bucket of an earlier {stage.stack_name} are still there with its data, and only"
            " a stage with DeletionProtection takes such in.",
            stage.make("destroy"),
        )
    terminal.say(console, "the tables and the bucket of an earlier stack are taken in again", "[yellow]![/]")
