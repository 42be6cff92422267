"""`darkroom train`: configure, start, watch, stop."""

import json
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError, RunFailedError
from ..progress import Progress
from .bars import bars
from .exits import FAILED, command
from .figures import epoch, name_of
from .logs import logs
from .options import AsJson, ProjectName, RunId, Url, opened, run_of
from .output import emit, facts, figure, line, say, table

if TYPE_CHECKING:
    from ..models import Configuration, RunInfo, RunStatus
    from ..run import Run

app = typer.Typer(help="Configure, start, watch and stop runs.", no_args_is_help=True, rich_markup_mode=None)

_NO_PARAMETERS = ("configId", "createdAt")
Parameters = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE",
        help="Training parameters, such as epochs=20 or pretrained=false; /api/openapi.json has all of them.",
        show_default=False,
    ),
]


@app.command()
@command
def configure(
    parameters: Parameters = None, project: ProjectName = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Set the training parameters, or show those that are set.

    What is left out gets a default that trains well.
    """
    asked = parsed(parameters or [])
    with opened(url, project) as found:
        stored = found.configure(**asked) if asked else found.configuration()
    emit(stored, as_json, lambda: _show_configuration(stored))


def _show_configuration(stored: "Configuration") -> None:
    from ..models import encode

    document = encode(stored)
    facts(
        (name, json.dumps(value)) for name, value in document.items() if name not in ("configId", "createdAt")
    )


def parsed(parameters: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs, the values as JSON where they are any, else as text; names in any spelling.

    Raises:
        ConfigurationError: one is no such pair, or stands there twice.
    """
    found: dict[str, Any] = {}
    for each in parameters:
        name, equals, text = each.partition("=")
        if not (equals and re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", name)):
            raise ConfigurationError(f"{each!r} is not of the form NAME=VALUE")
        name = re.sub("[-_]+(.)", lambda match: match[1].upper(), name)
        if name in found:
            raise ConfigurationError(f"{name} is given twice")
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)  # NaN is no JSON
    except ValueError:
        return text


@app.command()
@command
def start(
    parameters: Parameters = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run is over.")] = False,
    version: Annotated[
        str | None, typer.Option("--version", help="Id of a dataset version.", show_default=False)
    ] = None,
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Start a run, and print its id.

    With parameters it is configured first. With --wait its progress is shown, and the exit code is 1
    where it fails. Ctrl-C leaves it running.
    """
    with opened(url, project) as found:
        run = found.train(version_id=version, **parsed(parameters or []))
        if not wait:
            emit({"sessionId": run.id}, as_json, lambda: line(run.id))
            return 0
        say(f"run {run.id}")
        _watch(run)
        status = run.status()
    emit(status, as_json, lambda: _show_status(status))
    return FAILED if status.status == "failed" else 0


def _watch(run: "Run") -> None:
    """Shows a run until it is over: a bar on a terminal, elsewhere a line an epoch."""
    seen: list[object] = []
    on_terminal = sys.stderr.isatty()

    with bars() as show:

        def update(status: "RunStatus") -> None:
            show(Progress("run", status.progress, 100, "%", _brief(status)))
            moment = (status.phase, status.metrics.epoch if status.metrics else None)
            if not on_terminal and moment not in seen:
                seen.append(moment)
                say(f"{status.progress:5.1f} % {status.phase:12} {_note(status)}".rstrip())

        try:
            run.wait(on_update=update)
        except RunFailedError as error:
            say(error.detail)
        except KeyboardInterrupt:
            say(f"the run goes on; to stop it: darkroom train stop {run.id}")
            raise


def _note(status: "RunStatus") -> str:
    parts = [epoch(status.metrics)] if status.metrics else []
    return "  ".join([*parts, *_left(status)])


def _brief(status: "RunStatus") -> str:
    """What fits beside a bar: no losses, no speed."""
    accuracy = figure(status.metrics.val_accuracy) if status.metrics else None
    parts = [name_of(status.metrics), f"accuracy {accuracy}"] if status.metrics and accuracy else []
    return "  ".join([status.phase, *parts, *_left(status)])


def _left(status: "RunStatus") -> list[str]:
    return [] if status.eta_seconds is None else [f"{status.eta_seconds} s left"]


@app.command()
@command
def status(
    run: RunId = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run is over.")] = False,
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Show how a run is doing."""
    with opened(url, project) as found:
        meant = run_of(found, run)
        if wait:
            _watch(meant)
        now = meant.status()
    emit(now, as_json, lambda: _show_status(now))
    return FAILED if wait and now.status == "failed" else 0


def _show_status(now: "RunInfo") -> None:
    facts(
        [
            ("run", now.session_id),
            ("status", now.status),
            ("progress", f"{now.progress:.1f} %"),
            ("phase", now.phase),
            ("metrics", epoch(now.metrics) if now.metrics else None),
            ("left", f"{now.eta_seconds} s" if now.eta_seconds is not None else None),
            ("data", (now.dataset.name or now.dataset.version_id) if now.dataset else None),
            ("started", now.start_time),
            ("ended", now.end_time),
            ("failure", f"{now.failure.message} ({now.failure.code})" if now.failure else None),
        ]
    )


app.command("logs")(logs)


@app.command()
@command
def stop(run: RunId = None, project: ProjectName = None, url: Url = None, as_json: AsJson = False) -> None:
    """Ask a run to stop.

    One that is training keeps its best weights so far.
    """
    with opened(url, project) as found:
        info = run_of(found, run).stop()
    emit(info, as_json, lambda: _show_status(info))


@app.command("list")
@command
def list_runs(project: ProjectName = None, url: Url = None, as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    with opened(url, project) as found:
        runs = list(found.runs())
    rows = (
        (
            each.session_id,
            each.status,
            f"{each.progress:.0f}",
            figure(each.metrics.val_accuracy) if each.metrics else None,
            each.start_time,
        )
        for each in runs
    )
    emit(runs, as_json, lambda: table(("RUN", "STATUS", "%", "LAST ACCURACY", "STARTED"), rows))
