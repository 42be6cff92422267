"""`darkroom train logs`: what the containers of a run write."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import command
from .figures import epoch
from .options import ProjectName, RunId, Url, opened, run_of
from .output import line, say

if TYPE_CHECKING:
    from ..models import LogLine, Reason
    from ..run import Run


@command
def logs(
    run: RunId = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the run is over.")] = False,
    project: ProjectName = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document a line.")] = False,
) -> None:
    """Show what the containers of a run write.

    Time, level and message, an epoch's figures with it. Where the log isn't kept any longer, its
    epochs are shown.
    """
    with opened(url, project) as found:
        meant = run_of(found, run)
        attempt = 1
        count = 0
        for each in meant.logs(follow=follow, on_missing=_say_why):
            if each.attempt != attempt and not as_json:
                attempt = each.attempt
                say(f"attempt {attempt}")
            (_print_json if as_json else _print)(each)
            count += 1
        if not as_json:
            _show_end(meant, with_epochs=not count)


def _say_why(missing: "Reason") -> None:
    say(missing.message)


def _print(each: "LogLine") -> None:
    said = epoch(each.metrics) if each.metrics else each.message
    line(f"{each.time} {each.level:7} {said}")
    if each.exception:
        line(each.exception)
    sys.stdout.flush()  # somebody may be reading along


def _print_json(each: "LogLine") -> None:
    from ..models import encode

    print(json.dumps(encode(each), ensure_ascii=False), flush=True)


def _show_end(run: "Run", *, with_epochs: bool) -> None:
    now = run.status(history=with_epochs)
    for each in now.history or []:
        line(epoch(each))
    if now.is_over:
        say(f"{now.status}: {now.failure.message}" if now.failure else now.status)
