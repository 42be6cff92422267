"""`darkroom project`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import command
from .options import AsJson, ProjectName, Url, confirmed, connected, opened
from .output import emit, facts, line, say, table

if TYPE_CHECKING:
    from ..models import ProjectInfo

app = typer.Typer(help="Projects.", no_args_is_help=True, rich_markup_mode=None)


class Task(StrEnum):
    """What a project's models are to do."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"


@app.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    task: Annotated[Task, typer.Option("--task", help="What its models do.")] = Task.CLASSIFICATION,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    use: Annotated[bool, typer.Option("--use", help="Set it in ./darkroom.toml.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a project, and print its id."""
    from ..configuration import FOLDER_FILE, remember

    with connected(url) as client:
        project = client.create_project(name, task_type=task.value, description=description)
    if use:
        remember(Path.cwd() / FOLDER_FILE, project=project.id)
        say(f"set in {FOLDER_FILE}")
    emit(project.info, as_json, lambda: line(project.id))


@app.command("list")
@command
def list_projects(url: Url = None, as_json: AsJson = False) -> None:
    """List your projects, newest first."""
    with connected(url) as client:
        found = list(client.projects())
    rows = ((each.project_id, each.project_name, each.task_type, each.created_at) for each in found)
    emit(found, as_json, lambda: table(("ID", "NAME", "TASK", "CREATED"), rows))


@app.command()
@command
def show(project: ProjectName = None, url: Url = None, as_json: AsJson = False) -> None:
    """Show a project."""
    with opened(url, project) as found:
        info = found.info
    emit(info, as_json, lambda: _facts(info))


def _facts(info: "ProjectInfo") -> None:
    facts(
        [
            ("id", info.project_id),
            ("name", info.project_name),
            ("task", info.task_type),
            ("description", info.description or None),
            ("created", info.created_at),
        ]
    )


@app.command()
@command
def delete(
    project: Annotated[str, typer.Argument(help="Id or name of the project.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete a project with its images, labels and models."""
    with opened(url, project) as found:
        confirmed(f"Delete {found.info.project_name} with all of its images and models?", yes)
        found.delete()
    emit({"deleted": found.id}, as_json, lambda: say(f"deleted {found.info.project_name}"))
