"""What a deployment is going to do: parameters, package and template, checked before anything is changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from . import artifacts, gateway, inventory, machines, stack, states, terminal
from .account import Account
from .errors import NameTakenError, NewerVersionError
from .parts import Package, Parts, Sources, Zipped, described
from .stage import Stage, check_parameters, read_parameters
from .version import Version

#: The stack's output that says which checkout it was made from.
VERSION_OUTPUT = "Version"
#: Parameter that says who makes the role of API Gateway's logs.
_LOGS_BY = "GatewayLogsBy"
#: What holds data, and the property that names it.
_NAMED = {"AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is known before anything is changed but for the artifact bucket."""

    stage: Stage
    parameters: Mapping[str, str]
    package: Package
    sources: Sources
    template: Mapping[str, Any]
    before: states.Stack | None
    adopts: bool  # data of an earlier stack of this name


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
    sources = parts.sources()
    whole = parts.for_stage(json.loads(package.template.read_text()), values)
    template = _prepared(whole, stage, package, version, adopts)
    known = template.get("Parameters", {})
    check_parameters(values, known, parts.stages, stage.name)
    ours = {"Stage": stage.name, "ArtifactBucket": stage.artifact_bucket, "ImageTag": sources.tag}
    parameters = values | {key: value for key, value in ours.items() if key in known}
    if _LOGS_BY in known:
        parameters.setdefault(_LOGS_BY, gateway.logs_by(account.clients, stage))
    fitted = machines.fitting(account.clients, stage, template, parameters, before)
    if kept := fitted.get(machines.TYPES):
        terminal.say(console, f"{stage.region} has of the machines only {kept}", "[yellow]![/]")
    return Plan(
        stage=stage,
        parameters=parameters | fitted,
        package=package,
        sources=sources,
        template=template,
        before=before,
        adopts=adopts,
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
    if parameters.get("DeletionProtection") != "true":
        raise NameTakenError(
            f"Tables or the bucket of an earlier {stage.stack_name} are still there with its data, and only"
            " a stage with DeletionProtection takes such in.",
            stage.make("destroy"),
        )
    terminal.say(console, "the tables and the bucket of an earlier stack are taken in again", "[yellow]![/]")


def _prepared(
    template: Mapping[str, Any], stage: Stage, package: Package, version: Version, adopts: bool
) -> dict[str, Any]:
    """The template with the functions' code where it will lie, names of data spelled out, and the version."""
    resources = {
        name: _prepared_resource(each, stage, package, adopts) for name, each in template["Resources"].items()
    }
    output = {"Description": "What this was deployed from", "Value": str(version)}
    outputs = {**template.get("Outputs", {}), VERSION_OUTPUT: output}
    return {**template, "Resources": resources, "Outputs": outputs}


def _prepared_resource(
    resource: dict[str, Any], stage: Stage, package: Package, adopts: bool
) -> dict[str, Any]:
    if resource["Type"] == "AWS::Serverless::Function":
        is_predictor = resource["Properties"].get("CodeUri") == f"./{package.predictor.path.name}"
        key = function_key(package.predictor if is_predictor else package)
        return _with(resource, CodeUri=f"s3://{stage.artifact_bucket}/{key}")
    if name := _NAMED.get(resource["Type"]):
        named = _with(resource, **{name: _spelled_out(resource["Properties"][name], stage)})
        # RetainExceptOnCreate would delete with a creation that fails what was there before it.
        return {**named, "DeletionPolicy": "Retain"} if adopts else named
    return resource


def _with(resource: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {**resource, "Properties": {**resource["Properties"], **properties}}


def _spelled_out(name: Any, stage: Stage) -> Any:
    """CloudFormation takes in what is there already only where no function is left in its name."""
    if not isinstance(name, Mapping):
        return name
    values = {"StackName": stage.stack_name, "AccountId": stage.account, "Region": stage.region}
    text = name["Fn::Sub"]
    for key, value in values.items():
        text = text.replace(f"${{AWS::{key}}}", value)
    return text


def function_key(code: Package | Zipped) -> str:
    """Where a zip of functions lies in the artifact bucket."""
    return f"functions/{code.sha256}.zip"
