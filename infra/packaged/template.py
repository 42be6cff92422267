"""The packaged template as far as an emulator takes it."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .openapi import Api

Resource = Mapping[str, Any]
_TRANSLATE = Path(__file__).with_name("translate.py")
_FUNCTION = "AWS::Lambda::Function"
_MAPPING = "AWS::Lambda::EventSourceMapping"
_INSIDE_SUB = re.compile(r"\$\{(\w+)[.}]")


def translated(template: Path, python: Path) -> dict[str, Any]:
    """Plain CloudFormation.

    Args:
        template: as packaged.
        python: an interpreter that has AWS's translator.

    Raises:
        ValueError: it is no valid serverless template; with the end of what the translator said.
    """
    done = subprocess.run(
        [python, _TRANSLATE],
        input=template.read_text(),
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ValueError(done.stderr[-1000:])
    plain: dict[str, Any] = json.loads(done.stdout)
    return plain


def api_of(plain: Resource) -> Api:
    """The one REST API of a template."""
    [api] = of_type(plain, "AWS::ApiGateway::RestApi").values()
    return Api.of(api["Properties"]["Body"])


def of_type(plain: Resource, kind: str) -> dict[str, Resource]:
    return {name: each for name, each in plain["Resources"].items() if each["Type"] == kind}


def functions_of(plain: Resource) -> list[str]:
    """Logical ids."""
    return list(of_type(plain, _FUNCTION))


def mappings_of(plain: Resource) -> Iterator[Mapping[str, Any]]:
    """The properties of each queue's way to a function."""
    return (each["Properties"] for each in of_type(plain, _MAPPING).values())


def schedules_of(plain: Resource) -> Iterator[tuple[str, str]]:
    """(expression, logical id of the function) of each rule that goes by the clock."""
    for rule in of_type(plain, "AWS::Events::Rule").values():
        if expression := rule["Properties"].get("ScheduleExpression"):
            for target in rule["Properties"]["Targets"]:
                yield expression, target["Arn"]["Fn::GetAtt"][0]


def without(plain: Resource, is_unwanted: Callable[[Resource], bool]) -> dict[str, Any]:
    """The template without some resources, and without what refers to them."""
    kept = {name: each for name, each in plain["Resources"].items() if not is_unwanted(each)}
    missing = plain["Resources"].keys() - kept.keys()
    while gone := {name for name, each in kept.items() if references(each) & missing}:
        kept = {name: each for name, each in kept.items() if name not in gone}
        missing |= gone
    outputs = {name: each for name, each in plain["Outputs"].items() if not references(each) & missing}
    return {**plain, "Resources": kept, "Outputs": outputs}


def references(value: Any) -> set[str]:
    """Logical ids that a part of a template names."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, Mapping):
        return set()
    named: set[str] = set()
    for key, inner in value.items():
        if key == "Ref":
            named.add(inner)
        elif key == "Fn::GetAtt":
            named.add(inner[0] if isinstance(inner, list) else inner.partition(".")[0])
        elif key == "Fn::Sub":
            text = inner[0] if isinstance(inner, list) else inner
            named |= set(_INSIDE_SUB.findall(text)) | references(inner)
        elif key == "DependsOn":
            named |= {inner} if isinstance(inner, str) else set(inner)
        else:
            named |= references(inner)
    return named


def for_moto(plain: Resource) -> dict[str, Any]:
    """What moto makes of it: functions that it never runs, as queues and clocks are looked after outside."""
    template = without(plain, lambda each: each["Type"].startswith("AWS::ApiGateway::") or _is_timed(each))
    resources = dict(template["Resources"])
    for name, each in of_type(template, _FUNCTION).items():
        resources[name] = _with(each, Code={"ZipFile": "run from the package"})
    for name, each in of_type(template, _MAPPING).items():
        resources[name] = _with(each, Enabled=False)
    return {**template, "Resources": resources}


def _is_timed(resource: Resource) -> bool:
    """A rule that goes by the clock, which moto would take for one that every event matches."""
    return "ScheduleExpression" in resource.get("Properties", {})


def _with(resource: Resource, **properties: Any) -> Resource:
    return {**resource, "Properties": {**resource["Properties"], **properties}}
