"""Deployments of next to nothing, and commands as a person types them."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.deploy import __main__ as command
from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import DeployError
from infra.deploy.parts import Parts
from infra.deploy.version import Version
from tests.deployments import World

OLD, NEW = Version((0, 1, 0), 100), Version((0, 1, 0), 200)


@dataclass(frozen=True)
class SmallZip:
    path: Path
    sha256: str


@dataclass(frozen=True)
class SmallPackage:
    zip: Path
    template: Path
    sha256: str
    predictor: SmallZip
    is_compiled: bool = True


@dataclass(frozen=True)
class SmallSources:
    path: Path
    tag: str


def small_parts(
    folder: Path, template: Mapping[str, Any], stage: str, sources: str = "FROM scratch"
) -> Parts:
    """A deployment of any template, whose functions and images do nothing."""
    content = json.dumps(template)
    stages = folder / "stages"
    stages.mkdir(exist_ok=True)
    if not (stages / f"{stage}.json").exists():
        # moto makes no job definition for several machines.
        values = {"MaxVcpus": "8"} | ({"MaxNodes": "1"} if "MaxNodes" in template["Parameters"] else {})
        (stages / f"{stage}.json").write_text(json.dumps(values))
    (folder / "template.json").write_text(content)
    for name, inside in (("deployment.zip", "app"), ("predictor.zip", "predictor"), ("images.zip", sources)):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("file", inside)
    digest, other = (
        hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("deployment.zip", "predictor.zip")
    )
    predictor = SmallZip(folder / "predictor.zip", other)
    package = SmallPackage(folder / "deployment.zip", folder / "template.json", digest, predictor)
    images = SmallSources(folder / "images.zip", hashlib.sha256(sources.encode()).hexdigest()[:16])
    return Parts(
        package=lambda _: package, sources=lambda _: images, for_stage=lambda whole, _: whole, stages=stages
    )


def small_template(api_url: str, **resources: Any) -> dict[str, Any]:
    """A stack with the outputs of the real one that a deployment reads, and next to nothing in it."""
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-Ingest"}}}
    return {
        "Parameters": {
            "Stage": {"Type": "String"},
            "MaxVcpus": {"Type": "Number", "Default": 16},
            "ArtifactBucket": {"Type": "String", "Default": ""},
            "ImageTag": {"Type": "String", "Default": "latest"},
            "Weights": {"Type": "String", "Default": "default"},
        },
        "Resources": {"IngestQueue": queue, **resources},
        "Outputs": {"ApiUrl": {"Value": api_url}},
    }


def run(*arguments: str, parts=None, capsys) -> tuple[int, str]:
    """Exit code, and what stood on standard error, in one line."""
    code = command.main(arguments, parts=parts)
    return code, " ".join(capsys.readouterr().err.split())


def deployed(shell: World, stage: str, parts: Parts, version: Version = OLD) -> None:
    """Deploys as far as the smoke test, which has nobody to ask."""
    with pytest.raises(DeployError, match="does not answer"):
        deploy(shell.account, stage, Wish(yes=True, smoke_seconds=0), parts, version, shell.console)
