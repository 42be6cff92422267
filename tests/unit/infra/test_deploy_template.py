"""The template that a stage sends: the same where nothing has changed, another where something has."""

from typing import Any

import pytest

from infra.deploy.stage import Stage
from infra.deploy.template import prepared
from infra.deploy.version import Version
from infra.package.template import INFRA, to_merge
from tests.deploying import SmallPackage, SmallZip

STAGE = Stage(name="dev", account="123456789012", region="eu-west-1")
VERSION = Version((0, 1, 0), 100)
GIVEN = {"AllowedAddresses": "0.0.0.0/0", "ImageTag": "one"}


@pytest.fixture(scope="module")
def merged() -> dict[str, Any]:
    """As the package has it, of which Chalice adds the type of the API."""
    template = to_merge(INFRA / "template.yaml", INFRA / "functions.yaml")
    kinds = {name: {"Type": "none", **each} for name, each in template["Resources"].items()}
    kinds["RestAPI"]["Type"] = "AWS::Serverless::Api"
    return {**template, "Resources": kinds}


@pytest.fixture
def package(tmp_path) -> SmallPackage:
    zipped = SmallZip(tmp_path / "predictor.zip", "2" * 64)
    return SmallPackage(tmp_path / "deployment.zip", tmp_path / "template.json", "1" * 64, zipped)


def sent(template: dict[str, Any], package: SmallPackage, **parameters: str) -> dict[str, Any]:
    return prepared(template, STAGE, package, VERSION, GIVEN | parameters, adopts=False)


def api_version(template: dict[str, Any]) -> str:
    return template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["info"]["version"]


def test_what_is_deployed_already_is_sent_again_as_it_was(merged, package):
    """Nothing in the template is of the moment: CloudFormation finds no change in it."""
    assert sent(merged, package) == sent(merged, package)
    assert "AlwaysDeploy" not in merged["Resources"]["RestAPI"]["Properties"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("AllowedAddresses", "10.0.0.0/8"), ("CorsOrigins", "https://app.example.org"), ("DomainName", "a.org")],
    ids=["in a list", "by a condition", "in a condition alone"],
)
def test_a_parameter_in_the_body_makes_another_api(merged, package, parameter, value):
    """SAM looks at the text of the body, so that the values of its parameters have to be in it."""
    before, after = sent(merged, package), sent(merged, package, **{parameter: value})
    assert api_version(before) != api_version(after)


def test_a_default_that_changes_makes_another_api(merged, package):
    """A newer checkout may change a value that the stage leaves to it."""
    declared = {**merged["Parameters"]["CorsOrigins"], "Default": "https://app.example.org"}
    other = {**merged, "Parameters": {**merged["Parameters"], "CorsOrigins": declared}}
    assert api_version(sent(merged, package)) != api_version(sent(other, package))


def test_what_the_api_does_not_depend_on_leaves_it_as_it_is(merged, package):
    """New images are no reason for API Gateway to serve another snapshot."""
    assert api_version(sent(merged, package)) == api_version(sent(merged, package, ImageTag="two"))
