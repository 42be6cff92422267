"""Trying again what AWS was too busy for, on top of the SDK's own tries."""

import time
from collections.abc import Callable
from typing import TypeVar

from chalicelib.contract.errors import UnavailableError

T = TypeVar("T")
_ATTEMPTS = 5


def patiently(call: Callable[[], T]) -> T:
    """Calls up to five times, within twelve seconds; `call` must be one that may be repeated."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return call()
        except UnavailableError:
            time.sleep(0.1 * 3**attempt)
    return call()
