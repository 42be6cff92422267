"""Secrets Manager's request to rotate the signing keys."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint

from ..bootstrap import services

blueprint = Blueprint(__name__)


@blueprint.lambda_function(name="rotate_keys")
def rotate_keys(event: Mapping[str, Any], _: Any) -> None:
    """Takes one step of a rotation."""
    services().key_rotation.run(event["Step"], event["ClientRequestToken"])
