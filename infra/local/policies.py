"""POST policies: what S3 checks of a browser-style upload before it stores anything.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .signatures import Refusal, check_signature

_NEVER_CONDITIONS = {"policy", "x-amz-signature"}


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The form of a POST upload: field names in lower case, and the size of its file in bytes."""

    bucket: str
    fields: Mapping[str, str]
    size_bytes: int


def check_policy(upload: Upload) -> None:
    """Raises Refusal where S3 would refuse the upload."""
    fields = upload.fields
    if "policy" not in fields:
        raise Refusal(403, "AccessDenied", "Access Denied")
    for name in ("key", "x-amz-credential", "x-amz-signature"):
        if name not in fields:
            raise Refusal(400, "InvalidArgument", f"Bucket POST must contain a field named '{name}'.")
    if "${filename}" in fields["key"]:
        raise Refusal(501, "NotImplemented", "The embedded AWS does not fill in ${filename}.")
    check_signature(fields["x-amz-credential"], fields["policy"], fields["x-amz-signature"])
    policy = _decoded(fields["policy"])
    if datetime.fromisoformat(policy["expiration"]) < datetime.now(UTC):
        raise _invalid("Policy expired.")
    _check_conditions(policy["conditions"], upload)


def _decoded(policy: str) -> Any:
    try:
        return json.loads(base64.b64decode(policy, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, "InvalidPolicyDocument", f"Invalid Policy: {error}") from error


def _check_conditions(conditions: list[Any], upload: Upload) -> None:
    values = {**upload.fields, "bucket": upload.bucket}
    covered = {"bucket"} | _NEVER_CONDITIONS
    for condition in map(_normal, conditions):
        kind, name, wanted = condition
        if kind == "content-length-range":
            _check_size(upload.size_bytes, int(name), int(wanted))
        elif not _holds(kind, values.get(name, ""), wanted):
            raise _invalid(f"Policy Condition failed: {json.dumps([kind, f'${name}', wanted])}")
        covered.add(name)
    extra = [name for name in upload.fields if name not in covered and not name.startswith("x-ignore-")]
    if extra:
        raise _invalid(f"Extra input fields: {', '.join(extra)}")


def _normal(condition: Any) -> tuple[str, str, str]:
    """A condition of either spelling as (operator, field without its dollar sign, value)."""
    if isinstance(condition, dict):
        [(name, value)] = condition.items()
        return "eq", name.lower(), value
    kind, name, value = (str(part) for part in condition)
    return kind.lower(), name.removeprefix("$").lower(), value


def _holds(kind: str, value: str, wanted: str) -> bool:
    return value.startswith(wanted) if kind == "starts-with" else value == wanted


def _check_size(size_bytes: int, least: int, most: int) -> None:
    if size_bytes > most:
        raise Refusal(
            400, "EntityTooLarge", f"Your proposed upload exceeds the maximum allowed size of {most}"
        )
    if size_bytes < least:
        raise Refusal(400, "EntityTooSmall", f"Your proposed upload is smaller than the minimum of {least}")


def _invalid(why: str) -> Refusal:
    return Refusal(403, "AccessDenied", f"Invalid according to Policy: {why}")
