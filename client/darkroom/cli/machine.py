"""`darkroom up`, `doctor`, `open` and `completion`."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError
from .exits import FAILED, command
from .options import AsJson, Url, settings
from .output import emit, line, say


class Shell(StrEnum):
    """Shells whose completion is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@command
def up(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the API.")] = 8000,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the jobs' logs.")] = False,
) -> None:
    """Run all of Darkroom on this machine, until Ctrl-C.

    In a checkout of its repository, which the embedded stack is part of.
    """
    checkout = _checkout(Path.cwd())
    if checkout is None:
        raise ConfigurationError(
            "this is no checkout of Darkroom: the stack of one machine is part of the repository",
            hint="cd into a checkout, or use a Darkroom that runs: --url, or DARKROOM_URL.",
        )
    python = checkout / ".venv" / "bin" / "python"
    if not python.exists():
        raise ConfigurationError(
            f"{checkout} has no environment yet", hint=f"Run once: make -C {checkout} install"
        )
    arguments = [str(python), "-m", "infra.local", "--port", str(port), *(["--verbose"] if verbose else [])]
    sys.stdout.flush()
    os.chdir(checkout)
    os.execv(arguments[0], arguments)  # noqa: S606 - the stack takes this process's place, and its Ctrl-C


def _checkout(here: Path) -> Path | None:
    """The nearest folder, here or above, that has the embedded stack."""
    folders = (here, *here.parents)
    return next((each for each in folders if (each / "infra" / "local" / "__main__.py").exists()), None)


@command
def doctor(url: Url = None, as_json: AsJson = False) -> int:
    """Look whether URL, versions, clocks and login are in order."""
    from ..checks import examine

    chosen = settings(url)
    found = examine(chosen)
    emit(
        {"url": chosen.url.value, "checks": found},
        as_json,
        lambda: line(
            "\n".join(f"{'ok  ' if each.ok else 'FAIL'}  {each.name}: {each.detail}" for each in found)
        ),
    )
    return 0 if all(each.ok for each in found) else FAILED


@command
def open_console(url: Url = None, as_json: AsJson = False) -> None:
    """Open the web console in a browser, and print its address."""
    import webbrowser

    from ..transport import normalized

    address = f"{normalized(settings(url).url.value)}/api/"
    if sys.stdout.isatty() and not webbrowser.open(address):
        say("there is no browser here")
    emit({"url": address}, as_json, lambda: line(address))


@command
def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print a completion script: eval "$(darkroom completion bash)"."""
    from typer import completion as scripts

    make = scripts.get_completion_script  # type: ignore[attr-defined]
    print(make(prog_name="darkroom", complete_var="_DARKROOM_COMPLETE", shell=shell.value))
