"""What a stage makes of the template; its parameters are in <stage>.json beside this file."""

from collections.abc import Mapping
from typing import Any

#: What holds users' data, under a name that a later stack finds again.
_DATA = frozenset({"AWS::DynamoDB::Table", "AWS::S3::Bucket"})


def for_stage(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """The template as a stage with these parameters has it; the one given stays as it is.

    With DeletionProtection the tables and the bucket outlive their stack, unless its very creation fails;
    and then too where it took them in (infra/deploy/template.py).
    A DeletionPolicy takes neither a parameter nor a condition, so it can't be said in the template.
    """
    if parameters.get("DeletionProtection") != "true":
        return dict(template)
    return {**template, "Resources": {name: _kept(each) for name, each in template["Resources"].items()}}


def _kept(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    if resource["Type"] not in _DATA:
        return resource
    return {**resource, "DeletionPolicy": "RetainExceptOnCreate"}


def gpu_instance_types(template: Mapping[str, Any], parameters: Mapping[str, str]) -> list[str]:
    """The machines that a stage with these parameters trains on."""
    default = template["Parameters"]["GpuInstanceTypes"]["Default"]
    return parameters.get("GpuInstanceTypes", default).split(",")
