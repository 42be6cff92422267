"""The template of a whole stage: infra/template.yaml, infra/functions.yaml, and Chalice's own over both."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode import decode

from .errors import PackageError
from .target import Target

INFRA = Path(__file__).parents[1]
#: In the place of roles, which infra/functions.yaml gives each function.
NO_ROLE = "no role"
_FUNCTION = "AWS::Serverless::Function"


def to_merge(*paths: Path) -> dict[str, Any]:
    """The templates as one, for `chalice package --merge-template`.

    Raises:
        PackageError: one of them is no YAML, or says otherwise what another has said.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = _merged(merged, _read(path), path.name)
    return merged


def _read(path: Path) -> Mapping[str, Any]:
    template, problems = decode(str(path))
    if problems:
        raise PackageError([f"{path.name}: {each.message}" for each in problems])
    # As plain JSON: the decoder's own types remember lines and columns.
    read: dict[str, Any] = json.loads(json.dumps(template))
    return read


def _merged(one: Mapping[str, Any], other: Mapping[str, Any], place: str) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        if key not in merged or merged[key] == value:
            merged[key] = value
        elif key == "Description" and place.endswith(".yaml"):
            continue  # of the whole template: the first one's
        elif isinstance(merged[key], dict) and isinstance(value, dict):
            merged[key] = _merged(merged[key], value, f"{place}: {key}")
        else:
            raise PackageError([f"{place}: {key} is {merged[key]!r} already, and not {value!r}"])
    return merged


def finished(template: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Chalice's merged template with every function made for the target.

    Raises:
        PackageError: a function has no role of its own.
    """
    resources = {name: _finished(each, target) for name, each in template["Resources"].items()}
    problems = [
        f"{name} has no role: infra/functions.yaml gives each function its own"
        for name, each in resources.items()
        if each["Type"] == _FUNCTION and each["Properties"]["Role"] == NO_ROLE
    ]
    if problems:
        raise PackageError(problems)
    return {**template, "Resources": resources}


def _finished(resource: Mapping[str, Any], target: Target) -> Mapping[str, Any]:
    if resource["Type"] != _FUNCTION:
        return resource
    properties = {**resource["Properties"], "Runtime": target.runtime, "Architectures": [target.architecture]}
    # Chalice's own tag names a stage of Chalice's, and every stage is deployed from the same package.
    tags = {name: value for name, value in properties.get("Tags", {}).items() if name != "aws-chalice"}
    return {**resource, "Properties": properties | {"Tags": tags}}
