"""The packaged template as far as an emulator takes it."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from moto.cloudformation.parsing import get_model_map

from infra.local import missing as missing  # adds to what moto knows

from .openapi import Api

Resource = Mapping[str, Any]
_TRANSLATE = Path(__file__).with_name("translate.py")
_FUNCTION = "AWS::Lambda::Function"
_MAPPING = "AWS::Lambda::EventSourceMapping"
_INSIDE_SUB = re.compile(r"\$\{(\w+)(?:\.[\w.]+)?\}")


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
    """The one REST API of a template, with its one stage and the parameters' defaults."""
    [api] = of_type(plain, "AWS::ApiGateway::RestApi").values()
    [stage] = of_type(plain, "AWS::ApiGateway::Stage").values()
    defaults = {name: str(each.get("Default", "")) for name, each in plain["Parameters"].items()}
    return Api.of(stage["Properties"]["StageName"], _filled(api["Properties"]["Body"], defaults))


def _filled(value: Any, parameters: Mapping[str, str]) -> Any:
    """A part of a template with the parameters in its texts; what refers to resources stays."""
    if isinstance(value, list):
        return [_filled(each, parameters) for each in value]
    if not isinstance(value, Mapping):
        return value
    if value.keys() == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        text = value["Fn::Sub"]
        names = set(_INSIDE_SUB.findall(text))
        return (
            _INSIDE_SUB.sub(lambda match: parameters[match[1]], text) if names <= parameters.keys() else value
        )
    return {name: _filled(each, parameters) for name, each in value.items()}


def of_type(plain: Resource, kind: str) -> dict[str, Resource]:
    return {name: each for name, each in plain["Resources"].items() if each["Type"] == kind}


def functions_of(plain: Resource) -> list[str]:
    """Logical ids."""
    return list(of_type(plain, _FUNCTION))


def code_of(plain: Resource, name: str) -> Path:
    """The zip of a function."""
    return Path(plain["Resources"][name]["Properties"]["Code"]["S3Key"])


def mappings_of(plain: Resource) -> Iterator[Mapping[str, Any]]:
    """The properties of each queue's way to a function."""
    return (each["Properties"] for each in of_type(plain, _MAPPING).values())


def schedules_of(plain: Resource) -> Iterator[tuple[str, str]]:
    """(expression, logical id of the function) of each rule that goes by the clock."""
    for rule in of_type(plain, "AWS::Events::Rule").values():
        if expression := rule["Properties"].get("ScheduleExpression"):
            for target in rule["Properties"]["Targets"]:
                yield expression, target["Arn"]["Fn::GetAtt"][0]


def without(plain: Resource, is_unwanted: Callable[[str, Resource], bool]) -> dict[str, Any]:
    """The template without some resources, by their logical ids, and without what refers to them."""
    kept = {name: each for name, each in plain["Resources"].items() if not is_unwanted(name, each)}
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
    needed = references(list(plain["Resources"].values()))
    superfluous = {name for name, each in plain["Resources"].items() if each["Type"] not in get_model_map()}
    template = without(plain, lambda name, each: name in superfluous - needed or _is_elsewhere(each))
    resources = dict(template["Resources"])
    for name, each in of_type(template, _FUNCTION).items():
        resources[name] = _with(each, Code={"ZipFile": "run from the package"})
    for name, each in of_type(template, _MAPPING).items():
        resources[name] = _with(each, Enabled=False)
    return {**template, "Resources": resources}


def _is_elsewhere(resource: Resource) -> bool:
    """The gateway, and rules that go by the clock, which in moto every event matches: both are ours."""
    is_timed = "ScheduleExpression" in resource.get("Properties", {})
    return is_timed or resource["Type"].startswith("AWS::ApiGateway::")


def _with(resource: Resource, **properties: Any) -> Resource:
    return {**resource, "Properties": {**resource["Properties"], **properties}}
