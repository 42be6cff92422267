"""AWS that is busy or out of reach for a while, on top of the SDK's own tries."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import (
    ConnectionError as UnreachableError,
)

from chalicelib.contract.errors import UnavailableError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
# The credentials come over the network as well, from the container's agent.
_NETWORK = (
    UnreachableError,
    HTTPClientError,
    ResponseStreamingError,
    CredentialRetrievalError,
    NoCredentialsError,
)
_BUSY = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "ThrottlingException",
    "Throttling",
    "TransactionConflictException",
}
_LONGEST_PAUSE = 15.0


def is_passing(error: BotoCoreError | ClientError) -> bool:
    """Whether the same call may work later."""
    if not isinstance(error, ClientError):
        return isinstance(error, _NETWORK)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code") in _BUSY or status >= 500


def patiently(
    call: Callable[[], T],
    *,
    seconds: float = 600,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Calls until it works; `call` must be one that may be repeated.

    Raises:
        UnavailableError: it didn't for so many seconds.
    """
    deadline, pause = clock() + seconds, 0.5
    while True:
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            if not is_passing(error):
                raise
            if clock() + pause > deadline:
                raise UnavailableError(f"AWS didn't answer for {seconds:g} seconds: {error}") from error
            _LOG.warning("trying again: %s", error)
        sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, _LONGEST_PAUSE)
