"""What a function's log lines are about: ids that stand in every line, whoever writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .bootstrap import log


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """Puts ids into every line that is logged within it, by this thread and those that copy its context."""
    keys = log().registered_formatter
    before = dict(keys.thread_safe_get_current_keys())
    note(**ids)
    try:
        yield
    finally:
        keys.thread_safe_clear_keys()
        keys.thread_safe_append_keys(**before)


def note(**ids: str | None) -> None:
    """Adds what has become known meanwhile, until the end of the surrounding `about`."""
    log().registered_formatter.thread_safe_append_keys(**{name: each for name, each in ids.items() if each})


def invocation(context: Any) -> str | None:
    """Lambda's own id of this run of a function, by which its report line is found; None outside Lambda."""
    return getattr(context, "aws_request_id", None)
