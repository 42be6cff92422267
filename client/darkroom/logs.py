"""The lines of a run's log, as they come."""

import time
from collections.abc import Callable, Iterator

from .errors import ServerError, ServerUnreachableError
from .models import LogLine, LogPage, Reason

#: Between two looks, in seconds: after new lines, and at most.
FIRST_LOOK, LONGEST_LOOK = 1.0, 5.0
#: How long a server that doesn't answer is waited for, in seconds.
PATIENCE = 900.0


def lines(
    read: Callable[[str | None], LogPage],
    *,
    follow: bool = False,
    on_missing: Callable[[Reason], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogLine]:
    """Each line once, in order.

    Args:
        read: what the API answers to a cursor.
        follow: until nothing will come any more; otherwise what there is.
        on_missing: told why there are no lines, or not all; once for each reason.
        sleep: how to pause.

    Raises:
        ServerUnreachableError: the server didn't answer; when following, for a quarter of an hour.
    """
    cursor: str | None = None
    told: set[str] = set()
    away, pause = 0.0, FIRST_LOOK
    while True:
        try:
            page = read(cursor)
        except (ServerUnreachableError, ServerError):
            away = away or time.monotonic()
            if not follow or time.monotonic() - away > PATIENCE:
                raise
            sleep(LONGEST_LOOK)
            continue
        away = 0.0
        if page.missing and page.missing.code not in told:
            told.add(page.missing.code)
            on_missing(page.missing)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None or not (follow or page.has_more):
            return
        if not page.has_more:
            pause = FIRST_LOOK if page.items else min(pause * 1.5, LONGEST_LOOK)
            sleep(pause)
