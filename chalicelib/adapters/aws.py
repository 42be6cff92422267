"""The AWS clients: one session, each client made when it is first needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

from ..contract.errors import ContendedError, UnavailableError
from .parsing import PlainAnswers

_RETRY_AFTER_SECONDS = 5
#: What AWS refuses for now, and carries out not even in part.
THROTTLED = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",  # of S3, with status 400
    "RequestTimeoutException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
#: Beside every answer of 500 and above.
_BUSY = THROTTLED | {"TransactionConflictException", "TransactionInProgressException"}


class Aws:
    """Makes each client once. Which AWS it is, the environment says (AWS_ENDPOINT_URL and so on)."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        session.register_component("response_parser_factory", PlainAnswers())
        self._session = boto3.session.Session(botocore_session=session)

    @cached_property
    def dynamodb(self) -> Any:
        # Checking each attribute of each item here is half of a write's CPU time; DynamoDB does it anyway.
        return self._client("dynamodb", parameter_validation=False)

    @cached_property
    def s3(self) -> Any:
        # boto3 presigns with SigV2 in us-east-1 unless told.
        return self._client("s3", signature_version="s3v4")

    @cached_property
    def batch(self) -> Any:
        # SubmitJob has no client token: a retry by the SDK could start a second job.
        return self._client("batch", retries={"mode": "standard", "total_max_attempts": 1})

    @cached_property
    def logs(self) -> Any:
        return self._client("logs")

    @cached_property
    def functions(self) -> Any:
        # API Gateway waits 29 seconds, and whoever asked can ask again: the SDK has no time to.
        once = {"mode": "standard", "total_max_attempts": 1}
        return self._client("lambda", retries=once, read_timeout=25)

    @cached_property
    def secrets(self) -> Any:
        return self._client("secretsmanager")

    def _client(self, service: str, **options: Any) -> Any:
        defaults: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": 4},
            "connect_timeout": 3,
            "read_timeout": 15,
            "max_pool_connections": 32,
            # botocore makes up its own anew for each call, which is a tenth of what a call costs.
            "user_agent": "darkroom",
        }
        return self._session.client(service, config=Config(**{**defaults, **options}))


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def contended() -> ContendedError:
    return ContendedError(
        "another request is changing the same rows", hint="Try again.", retry_after_seconds=1
    )


def was_retried(error: ClientError) -> bool:
    """Whether the SDK had sent the same call before: that may have been carried out, and its answer lost."""
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _is_busy(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error_code(error) in _BUSY or status >= 500


@contextmanager
def unavailable() -> Iterator[None]:
    """Turns "slow down" and "no answer", which the SDK has retried, into `UnavailableError`."""
    try:
        yield
    except ClientError as error:
        if not _is_busy(error):
            raise
        if error_code(error) == "TransactionConflictException":
            raise contended() from error
        raise UnavailableError(
            "AWS is busy", hint="Try again.", retry_after_seconds=_RETRY_AFTER_SECONDS
        ) from error
    except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
        raise UnavailableError(
            "AWS didn't answer", hint="Try again.", retry_after_seconds=_RETRY_AFTER_SECONDS
        ) from error
