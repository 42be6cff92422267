"""The time, and ids made of it; the standard library alone, for the worker uses them too."""

import time
from datetime import UTC, datetime

from ..contract.ids import ulid
from ..services.ports import Clock


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class UlidIds:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self) -> str:
        return ulid(int(1000 * self._clock.now().timestamp()))
