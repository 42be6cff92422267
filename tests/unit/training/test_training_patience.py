"""What AWS is too busy for is tried again; what it refuses isn't."""

from dataclasses import dataclass, field

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from chalicelib.contract.errors import UnavailableError
from training_job.patience import is_passing, patiently


def refusal(code: str, status: int = 400) -> ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "UpdateItem")  # type: ignore[arg-type]


@dataclass
class Flaky:
    """Fails with each of `errors`, then works; time passes only while the caller sleeps."""

    errors: list[Exception]
    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    def clock(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (EndpointConnectionError(endpoint_url="x"), True),
        (ReadTimeoutError(endpoint_url="x"), True),
        (refusal("ThrottlingException"), True),
        (refusal("TransactionConflictException"), True),
        (refusal("InternalServerError", 500), True),
        (refusal("ConditionalCheckFailedException"), False),
        (refusal("AccessDeniedException"), False),
        (ParamValidationError(report="x"), False),
    ],
)
def test_kinds_of_errors(error: BotoCoreError | ClientError, passing: bool) -> None:
    """The network, throttling and AWS's own errors pass; a refusal stays one."""
    assert is_passing(error) is passing


def test_busy_aws_is_asked_again() -> None:
    """The call is repeated, ever more slowly, until it works."""
    flaky = Flaky([refusal("SlowDown")] * 4)
    assert patiently(flaky, clock=flaky.clock, sleep=flaky.sleep) == "done"
    assert len(flaky.pauses) == 4
    assert flaky.pauses[-1] > flaky.pauses[0]


def test_refusal_is_raised_at_once() -> None:
    """What would be refused again is not repeated."""
    flaky = Flaky([refusal("AccessDeniedException"), refusal("SlowDown")])
    with pytest.raises(ClientError, match="AccessDenied"):
        patiently(flaky, clock=flaky.clock, sleep=flaky.sleep)
    assert len(flaky.errors) == 1


def test_patience_ends() -> None:
    """After its time the error says that AWS was out of reach, which another attempt may not find."""
    flaky = Flaky([refusal("SlowDown")] * 1000)
    with pytest.raises(UnavailableError, match="60 seconds"):
        patiently(flaky, seconds=60, clock=flaky.clock, sleep=flaky.sleep)
    assert flaky.seconds <= 60
