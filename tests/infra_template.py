"""infra/template.yaml as it is written, for tests of what an embedded AWS doesn't make."""

from typing import Any

from cfnlint.decode import decode

from infra.local.aws import TEMPLATE


def load_template() -> dict[str, Any]:
    """The template, with its functions as `{"Fn::…": …}`."""
    template, problems = decode(str(TEMPLATE))
    assert not problems
    return dict(template)


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the resources of a type, by logical id; there is at least one."""
    found = {
        name: each.get("Properties", {})
        for name, each in template["Resources"].items()
        if each["Type"] == f"AWS::{kind}"
    }
    assert found
    return found


def arn_of(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}
