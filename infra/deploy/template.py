"""The package's template as one stage sends it: with its code, its names, and what makes it another."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from .parts import Package, Zipped
from .stage import Stage
from .version import Version

#: The stack's output that says which checkout it was made from.
VERSION_OUTPUT = "Version"
#: What holds data, and the property that names it.
_NAMED = {"AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}
_REVISION_DIGITS = 16


def prepared(
    template: Mapping[str, Any],
    stage: Stage,
    package: Package,
    version: Version,
    parameters: Mapping[str, str],
    *,
    adopts: bool,
) -> dict[str, Any]:
    """The template with the functions' code where it will lie, names of data spelled out, and the version.

    The same package, version and parameters give the same template, in which CloudFormation finds no change.

    Args:
        parameters: those that the stage sets.
        adopts: whether the data of an earlier stack is taken in.
    """
    resources = {
        name: _resource(each, stage, package, template, parameters, adopts)
        for name, each in template["Resources"].items()
    }
    output = {"Description": "What this was deployed from", "Value": str(version)}
    outputs = {**template.get("Outputs", {}), VERSION_OUTPUT: output}
    return {**template, "Resources": resources, "Outputs": outputs}


def _resource(
    resource: dict[str, Any],
    stage: Stage,
    package: Package,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    adopts: bool,
) -> dict[str, Any]:
    kind = resource["Type"]
    if kind == "AWS::Serverless::Function":
        is_predictor = resource["Properties"].get("CodeUri") == f"./{package.predictor.path.name}"
        key = function_key(package.predictor if is_predictor else package)
        return _with(resource, CodeUri=f"s3://{stage.artifact_bucket}/{key}")
    if kind == "AWS::Serverless::Api":
        return _revised(resource, template, parameters)
    if name := _NAMED.get(kind):
        named = _with(resource, **{name: _spelled_out(resource["Properties"][name], stage)})
        # RetainExceptOnCreate would delete with a creation that fails what was there before it.
        return {**named, "DeletionPolicy": "Retain"} if adopts else named
    return resource


def _revised(
    api: dict[str, Any], template: Mapping[str, Any], parameters: Mapping[str, str]
) -> dict[str, Any]:
    """The API with a version made of all that its body depends on.

    API Gateway serves a snapshot of the body, and SAM makes a new one where the body's text is another: it
    doesn't see that a parameter in it has another value.
    """
    text = json.dumps([api, template.get("Conditions")], sort_keys=True)
    values = {
        name: parameters.get(name, declared.get("Default"))
        for name, declared in template.get("Parameters", {}).items()
        if re.search(rf"\b{name}\b", text)
    }
    whole = text + json.dumps(values, sort_keys=True)
    body = api["Properties"]["DefinitionBody"]
    revision = hashlib.sha256(whole.encode()).hexdigest()[:_REVISION_DIGITS]
    return _with(api, DefinitionBody={**body, "info": {**body.get("info", {}), "version": revision}})


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
