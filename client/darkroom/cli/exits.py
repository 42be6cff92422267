"""How a command ends: one table from the error tree to exit codes, and what is said of it."""

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, ParamSpec

import typer

from ..errors import AuthenticationError, ConfigurationError, DarkroomError, NotFoundError
from .output import say

P = ParamSpec("P")

FAILED, USAGE, NOT_FOUND, AUTHENTICATION, PARTIAL, INTERRUPTED = 1, 2, 3, 4, 5, 130
#: The first class that an error is an instance of decides.
_CODES: dict[type[DarkroomError], int] = {
    ConfigurationError: USAGE,
    NotFoundError: NOT_FOUND,
    AuthenticationError: AUTHENTICATION,
    DarkroomError: FAILED,
}


def command(run: Callable[P, int | None]) -> Callable[P, None]:
    """A command that ends with the exit code that it returns, or with that of its error."""

    @functools.wraps(run)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = run(*args, **kwargs)
        except DarkroomError as error:
            show(error, as_json=bool(kwargs.get("as_json")))
            code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
        except (KeyboardInterrupt, typer.Abort):
            say("interrupted")
            code = INTERRUPTED
        sys.stdout.flush()
        raise typer.Exit(code or 0)

    return wrapped


def show(error: DarkroomError, *, as_json: bool) -> None:
    """Says on stderr what is wrong, and what can be done."""
    if as_json:
        print(json.dumps({"error": _document(error)}), file=sys.stderr)
        return
    say(f"error: {error.detail}")
    for each in error.errors:
        say(f"  {each.pointer}: {each.message}")
    if error.hint and not error.errors:
        say(error.hint)
    if error.retry_after_seconds:
        say(f"Try again in {error.retry_after_seconds:.0f} s.")
    if error.request_id and (error.status or 0) >= 500:
        say(f"request {error.request_id}")


def _document(error: DarkroomError) -> dict[str, Any]:
    return {
        "code": error.code,
        "detail": error.detail,
        "hint": error.hint,
        "status": error.status,
        "errors": [{"pointer": each.pointer, "message": each.message} for each in error.errors],
        "requestId": error.request_id,
    }
