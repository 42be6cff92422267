"""When a request is sent again, and when not any more."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Answers after which the same request may work; 429 says that it wasn't carried out.
TOO_MANY = 429
TRANSIENT = frozenset((502, 503, 504))
#: Between two looks whether an earlier request is over, where the server names no time, or none at all.
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Retry:
    """A request that is about to be sent again, for whoever wants to tell a person."""

    reason: str
    attempt: int
    wait_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often, and how patiently.

    Args:
        attempts: requests in all.
        first_seconds: the first pause; each is twice the one before, less a random part of up to a half.
        longest_seconds: the longest pause of our own choice.
        patience_seconds: the longest Retry-After that is waited for; after a longer one the caller decides.
        in_flight_seconds: how long a request is waited for that was sent before under the same idempotency
            key; the API locks a key for 60 s.
        sleep: how to pause.
        on_retry: told before each pause.
    """

    attempts: int = 6
    first_seconds: float = 0.5
    longest_seconds: float = 15
    patience_seconds: float = 60
    in_flight_seconds: float = 75
    sleep: Callable[[float], None] = time.sleep
    on_retry: Callable[[Retry], None] = lambda _: None

    def pause(self, attempt: int, reason: str, retry_after: float | None = None) -> bool:
        """Pauses before the next attempt; False where there is to be none.

        Args:
            attempt: that failed, from 1.
            reason: for people.
            retry_after: seconds that the server asked for.
        """
        seconds = self._backoff(attempt) if retry_after is None else retry_after
        if attempt >= self.attempts or seconds > self.patience_seconds:
            return False
        self.on_retry(Retry(reason, attempt, seconds))
        self.sleep(seconds)
        return True

    def outwait(self, waited: float, attempt: int, reason: str, retry_after: float | None = None) -> float:
        """Pauses until an earlier request may be over; that is no attempt.

        Args:
            waited: seconds so far.
            attempt: whose answer it was, from 1.
            reason: for people.
            retry_after: seconds that the server asked for.

        Returns:
            Seconds waited in all; not more than before where patience is at its end.
        """
        seconds = max(retry_after or 0, _LEAST_SECONDS)
        if waited + seconds > self.in_flight_seconds:
            return waited
        self.on_retry(Retry(reason, attempt, seconds))
        self.sleep(seconds)
        return waited + seconds

    def _backoff(self, attempt: int) -> float:
        return min(self.first_seconds * 2 ** (attempt - 1), self.longest_seconds) * random.uniform(0.5, 1)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds, whether it is a number or a date; None where there is none."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
