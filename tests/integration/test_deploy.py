"""From a checkout to a URL and back to nothing, against the project's own template."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from cfnlint.decode import decode

from infra.deploy import destruction, logs
from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import FailedError
from infra.deploy.stage import Stage
from infra.deploy.version import Version
from infra.local.aws import TEMPLATE
from tests.deployments import NUMBER, REGION, World, serving, small_parts, small_template

VERSION = Version((0, 1, 0), 100)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, serving(monkeypatch) as made:
        yield made


@pytest.fixture
def stage() -> Stage:
    """A stage that no other test has."""
    return Stage(name=f"d{uuid4().hex[:10]}", account=NUMBER, region=REGION)


def whole_template(api_url: str) -> dict:
    """The project's own, with the outputs and resources that the package adds."""
    template, problems = decode(str(TEMPLATE))
    assert not problems
    small, project = small_template(api_url), {"Name": {"Fn::Sub": "${AWS::StackName}-images"}}
    template["Parameters"] = {**small["Parameters"], **template["Parameters"]}
    template["Resources"].setdefault(
        "ImageBuild",
        {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {
                **project,
                "Environment": {"ComputeType": "BUILD_GENERAL1_MEDIUM"},
                "Source": {"Type": "S3", "Location": "nowhere/yet"},
            },
        },
    )
    template["Outputs"] |= {"ImageBuild": {"Value": {"Ref": "ImageBuild"}}, **small["Outputs"]}
    return dict(template)
