"""Secrets Manager's request to rotate the signing keys."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint

from ..bootstrap import services
from ..logs import about, invocation

blueprint = Blueprint(__name__)


@blueprint.lambda_function(name="rotate_keys")
def rotate_keys(event: Mapping[str, Any], context: Any) -> None:
    """Takes one step of a rotation."""
    with about(functionRequestId=invocation(context)):
        services().key_rotation.run(event["Step"], event["ClientRequestToken"])
