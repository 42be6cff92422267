"""Options that several commands have, and what they come to."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError
from .output import say

if TYPE_CHECKING:
    from ..client import Client
    from ..configuration import Settings
    from ..project import Project
    from ..run import Run

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Url = Annotated[str | None, typer.Option("--url", help="URL of the API.", show_default=False)]
ProjectName = Annotated[
    str | None, typer.Option("--project", "-p", help="Id or name of the project.", show_default=False)
]
RunId = Annotated[str | None, typer.Argument(help="Id of a run; by default the newest.", show_default=False)]


def settings(url: str | None = None, project: str | None = None) -> "Settings":
    """The settings in force."""
    from ..configuration import load

    return load(os.environ, Path.cwd(), url, project)


@contextmanager
def connected(url: str | None) -> Iterator["Client"]:
    """A client, by the settings in force; says when it has to try again."""
    from ..client import Client
    from ..retries import Retry, RetryPolicy

    said: list[str] = []

    def told(retry: Retry) -> None:
        """Says it once for the many requests that fail at the same time for the same reason."""
        if said[-1:] == [f"{retry.reason}, {retry.attempt}"]:
            return
        said.append(f"{retry.reason}, {retry.attempt}")
        say(f"{retry.reason}; trying again in {retry.wait_seconds:.0f} s")

    with Client.from_settings(settings(url), retries=RetryPolicy(on_retry=told)) as client:
        yield client


@contextmanager
def opened(url: str | None, project: str | None) -> Iterator["Project"]:
    """The project that is meant: the one that is set, or the only one."""
    chosen = settings(url, project).project
    with connected(url) as client:
        if chosen is not None:
            yield client.project(chosen.value)
            return
        found = list(client.projects())
        if not found:
            raise ConfigurationError(
                "you have no project yet", hint="Run: darkroom project create NAME --use"
            )
        if len(found) > 1:
            raise ConfigurationError(
                f"you have {len(found)} projects, and none is set",
                hint="Say which: --project, DARKROOM_PROJECT, or project in darkroom.toml.",
            )
        yield client.project(found[0].project_id)


def run_of(project: "Project", run: str | None) -> "Run":
    """A run, or the project's newest.

    Raises:
        NotFoundError: it has none.
    """
    if run is not None:
        return project.run(run)
    newest = next(project.runs(), None)
    if newest is None:
        from ..errors import NotFoundError

        raise NotFoundError("the project has no run", code="no-run", hint="Run: darkroom train start")
    return project.run(newest.session_id)


def confirmed(question: str, yes: bool) -> None:
    """Asks a person; where there is none, the flag is needed.

    Raises:
        ConfigurationError: nobody can answer.
        typer.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to be asked", hint="Say --yes.")
    typer.confirm(question, abort=True, err=True)
