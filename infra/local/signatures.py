"""Signature Version 4, as far as S3 checks it on presigned URLs and POST policies.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

MAX_EXPIRES_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str


#: The only credentials that the embedded AWS knows. They protect nothing and are no secret.
CREDENTIALS = Credentials("embedded", "embedded-and-no-secret")


class Refusal(Exception):  # noqa: N818 - an answer of S3's, not an error of ours
    """What S3 answers instead: a status, an error code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, kw_only=True)
class Presigned:
    """A request with its signature in the query string; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def check_presigned(request: Presigned) -> None:
    """Raises Refusal where S3 would refuse the URL: expired, not ours, or changed."""
    query = request.query
    needed = {"X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"}
    if needed - query.keys() or not re.fullmatch(r"[0-9]{1,9}", query["X-Amz-Expires"]):
        raise Refusal(400, "AuthorizationQueryParametersError", "The signature's parameters are incomplete.")
    _check_time(query["X-Amz-Date"], int(query["X-Amz-Expires"]))
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", query["X-Amz-Date"], _scope(query["X-Amz-Credential"]), _digest(request)]
    )
    check_signature(query["X-Amz-Credential"], to_sign, query["X-Amz-Signature"])


def check_signature(credential: str, to_sign: str, signature: str) -> None:
    """Raises Refusal unless `signature` is that of `to_sign` by our one pair of credentials."""
    access_key, *scope = credential.split("/")
    if access_key != CREDENTIALS.access_key:
        raise Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist.")
    key = f"AWS4{CREDENTIALS.secret_key}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(
        hmac.digest(key, to_sign.encode(), "sha256").hex().encode(), signature.encode(errors="replace")
    ):
        raise Refusal(403, "SignatureDoesNotMatch", "The signature we calculated does not match yours.")


def _check_time(signed_at: str, expires_seconds: int) -> None:
    if expires_seconds > MAX_EXPIRES_SECONDS:
        raise Refusal(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be at most a week.")
    try:
        start = datetime.strptime(signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refusal(400, "AuthorizationQueryParametersError", "X-Amz-Date is no date.") from error
    if datetime.now(UTC) > start + timedelta(seconds=expires_seconds):
        raise Refusal(403, "AccessDenied", "Request has expired")


def _scope(credential: str) -> str:
    return credential.partition("/")[2]


def _digest(request: Presigned) -> str:
    """SHA-256 of the canonical request."""
    signed = request.query["X-Amz-SignedHeaders"].split(";")
    query = sorted((name, value) for name, value in request.query.items() if name != "X-Amz-Signature")
    canonical = "\n".join(
        [
            request.method,
            quote(unquote(request.path), safe="/~"),
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query),
            *(f"{name}:{request.headers.get(name, '').strip()}" for name in signed),
            "",
            ";".join(signed),
            "UNSIGNED-PAYLOAD",
        ]
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
