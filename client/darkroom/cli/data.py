"""`darkroom data`: images and labels, in and out."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .bars import bars
from .exits import PARTIAL, command
from .options import AsJson, ProjectName, Url, opened
from .output import emit, facts, line, say, size, table

if TYPE_CHECKING:
    from ..models import Import, LabelsReport, Summary
    from ..upload.report import UploadReport

app = typer.Typer(help="Images and labels, in and out.", no_args_is_help=True, rich_markup_mode=None)

#: Of so many problems each is said; the JSON has all of them.
_SAID = 20


class Format(StrEnum):
    """Annotation formats; docs/data.md has an example of each."""

    IMAGEFOLDER = "imagefolder"
    CSV = "csv"
    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    MANIFEST = "manifest"
    DARKROOM = "darkroom"


@app.command()
@command
def upload(
    folder: Annotated[Path, typer.Argument(help="A folder of images, or one image.")],
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            help="folders: the subfolder is the class (the default for classification); a CSV or JSON file; "
            "none.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Files that are sent at a time.")
    ] = 8,
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Upload the images that aren't there yet, and label them.

    Interrupted, the same command goes on where it was. Exit code 5: not all of it could be taken.
    """
    with opened(url, project) as found, bars() as show:
        if labels is None:
            labels = "folders" if found.info.task_type == "classification" else "none"
        report = found.upload(
            folder, labels=None if labels == "none" else labels, on_progress=show, workers=workers
        )
    for each in [*report.problems, *report.label_problems][:_SAID]:
        say(f"{each.file_name}: {each.message}")
    _omitted(len(report.problems) + len(report.label_problems))
    if report.pending:
        say(f"{report.pending} files are not taken in yet: the same command looks again")
    emit(_document(report), as_json, lambda: _show_upload(report))
    return 0 if report.is_complete else PARTIAL


def _document(report: "UploadReport") -> dict[str, Any]:
    """An upload's report in the API's spelling."""
    from ..models import encode

    return {**encode(report), "complete": report.is_complete}


def _omitted(count: int) -> None:
    if count > _SAID:
        say(f"and {count - _SAID} more; --json has all of them")


def _show_upload(report: "UploadReport") -> None:
    facts(
        [
            ("images", report.images),
            ("uploaded", report.uploaded),
            ("already there", report.present),
            ("labelled", report.labelled),
            ("not taken", len(report.problems) or None),
            ("not labelled", len(report.label_problems) or None),
            ("pending", report.pending or None),
            ("other files", report.ignored or None),
        ]
    )


@app.command()
@command
def label(
    file: Annotated[Path, typer.Argument(help="CSV (file, class, split) or JSON, as docs/client.md has it.")],
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Label images that are there, by file name or image id."""
    from ..upload.labels import read_labels

    labels, splits = read_labels(file)
    with opened(url, project) as found:
        report = found.label(labels)
        problems = [*report.items, *(found.split(splits) if splits else ())]
    for each in problems[:_SAID]:
        say(f"{each.key}: {each.message}")
    _omitted(len(problems) + report.summary.omitted)
    emit(report, as_json, lambda: _show_labels(report))
    return PARTIAL if problems or report.summary.failed else 0


def _show_labels(report: "LabelsReport") -> None:
    facts([("labelled", report.summary.updated), ("failed", report.summary.failed or None)])
    table(("CLASS", "IMAGES"), report.classes.items())


@app.command("import")
@command
def import_archive(
    archive: Annotated[Path, typer.Argument(help="A zip of images and annotations, or annotations alone.")],
    annotations: Annotated[
        Format | None, typer.Option("--format", help="By default seen from the content.", show_default=False)
    ] = None,
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Import a data set.

    Interrupted while it is sent, the same command goes on where it was. Exit code 5: not all of it
    could be taken.
    """
    with opened(url, project) as found, bars() as show:
        done = found.import_archive(
            archive, format=annotations.value if annotations else None, on_progress=show
        )
    for each in done.examples[:_SAID]:
        say(f"{each.get('file') or each.get('key') or archive.name}: {each.get('message')}")
    if done.problems.total > len(done.examples[:_SAID]):
        say(f"{done.problems.total} problems in all; --json has the report's URL")
    emit(done, as_json, lambda: _show_import(done))
    return PARTIAL if done.problems.total else 0


def _show_import(done: "Import") -> None:
    facts([("format", done.format), *done.counts.items(), ("problems", done.problems.total or None)])


@app.command()
@command
def export(
    target: Annotated[Path, typer.Argument(help="The zip to write, or a folder.")],
    annotations: Annotated[Format, typer.Option("--format", help="Annotation format.")] = Format.DARKROOM,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="With the images, or the annotations alone.")
    ] = True,
    version: Annotated[
        str | None, typer.Option("--version", help="Id of a dataset version.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Export the labelled images into a zip, and print its path."""
    with opened(url, project) as found, bars() as show:
        path = found.export(
            target,
            format=annotations.value,
            with_images=images,
            version_id=version,
            force=force,
            on_progress=show,
        )
    document = {"path": str(path), "sizeBytes": path.stat().st_size}
    emit(document, as_json, lambda: line(str(path)))


@app.command()
@command
def stats(project: ProjectName = None, url: Url = None, as_json: AsJson = False) -> None:
    """Count images, labels and classes: can they be trained on?"""
    with opened(url, project) as found:
        summary = found.summary()
    emit(summary, as_json, lambda: _show_stats(summary))


def _show_stats(summary: "Summary") -> None:
    splits = summary.splits
    facts(
        [
            ("images", summary.images),
            ("labelled", summary.labelled),
            ("unlabelled", summary.unlabelled),
            ("duplicates", summary.duplicates),
            ("look alike", summary.near_duplicates.images),
            ("rejected", summary.rejected),
            ("size", size(summary.size_bytes)),
            ("splits", f"train {splits.train}, val {splits.val}, test {splits.test}, none {splits.none}"),
            ("ready", "yes" if summary.readiness.ready else "no"),
        ]
    )
    if summary.objects:
        line()
        table(
            ("CLASS", "IMAGES", "OBJECTS"),
            ((name, n, summary.objects[name]) for name, n in summary.classes.items()),
        )
    elif summary.classes:
        line()
        table(("CLASS", "IMAGES"), summary.classes.items())
    for each in [*summary.readiness.problems, *summary.readiness.warnings]:
        say(each.message)
        if each.hint:
            say(f"  {each.hint}")
