"""The tree of commands."""

from typing import Annotated

import typer

from .. import __version__
from . import auth, data, machine, projects, results, train

app = typer.Typer(
    name="darkroom",
    help="Train image models in your own cloud account: from a folder of images to a model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"darkroom {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Train image models in your own cloud account: from a folder of images to a model."""


app.command("up")(machine.up)
app.command("doctor")(machine.doctor)
app.add_typer(auth.app, name="auth")
app.add_typer(projects.app, name="project")
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.add_typer(results.app, name="results")
app.command("open")(machine.open_console)
app.command("completion")(machine.completion)
