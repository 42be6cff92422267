"""What a deployment is going to do: parameters, package and template, checked before anything is changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from . import artifacts, stack, states, terminal
from .account import Account
from .errors import NameTakenError, NewerVersionError
from .parts import Package, Parts, Sources
from .stage import Stage, check_parameters, read_parameters
from .version import Version

#: The stack's output that says which checkout it was made from.
VERSION_OUTPUT = "Version"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is known before anything is changed but for the artifact bucket."""

    stage: Stage
    parameters: Mapping[str, str]
    package: Package
    sources: Sources
    template: Mapping[str, Any]
    before: states.Stack | None


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
    if before is None:
        _check_names_are_free(account, stage)
    elif not downgrade:
        check_version(stage, before, version)
    package = parts.package(stage.region)
    terminal.say(console, f"packaged the functions: {package.zip.stat().st_size / 1e6:.1f} MB")
    sources = parts.sources()
    template = _prepared(json.loads(package.template.read_text()), stage, package, version)
    known = template.get("Parameters", {})
    check_parameters(values, known, parts.stages, stage.name)
    ours = {"Stage": stage.name, "ArtifactBucket": stage.artifact_bucket, "ImageTag": sources.tag}
    parameters = values | {key: value for key, value in ours.items() if key in known}
    return Plan(
        stage=stage, parameters=parameters, package=package, sources=sources, template=template, before=before
    )


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
    stack.check_can_go_on(cloudformation, stage, found)
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


def _check_names_are_free(account: Account, stage: Stage) -> None:
    """CloudFormation would find out as well, after minutes, and leave a stack that can only be deleted."""
    if artifacts.exists(account.clients("s3"), stage, stage.bucket):
        raise NameTakenError(
            f"The bucket {stage.bucket} of an earlier {stage.stack_name} is still there with its data."
            " docs/deploy.md says how to get it back into a new stack.",
            stage.make("destroy", PURGE="1"),
        )


def _prepared(template: dict[str, Any], stage: Stage, package: Package, version: Version) -> dict[str, Any]:
    """The package's template with the functions' code where it will lie, and with the version."""
    code = f"s3://{stage.artifact_bucket}/{function_key(package)}"
    resources = {
        name: _with_code(each, code) if each["Type"] == "AWS::Serverless::Function" else each
        for name, each in template["Resources"].items()
    }
    output = {"Description": "What this was deployed from", "Value": str(version)}
    outputs = {**template.get("Outputs", {}), VERSION_OUTPUT: output}
    return {**template, "Resources": resources, "Outputs": outputs}


def _with_code(function: dict[str, Any], code: str) -> dict[str, Any]:
    return {**function, "Properties": {**function["Properties"], "CodeUri": code}}


def function_key(package: Package) -> str:
    """Where the functions' zip lies in the artifact bucket."""
    return f"functions/{package.sha256}.zip"
