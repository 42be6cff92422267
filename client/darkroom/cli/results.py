"""`darkroom results`: what came of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .bars import bars
from .exits import command
from .options import AsJson, ProjectName, RunId, Url, opened, run_of
from .output import emit, facts, figure, line, say, size, table

if TYPE_CHECKING:
    from ..models import Results

app = typer.Typer(help="What came of a run.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
@command
def show(run: RunId = None, project: ProjectName = None, url: Url = None, as_json: AsJson = False) -> None:
    """Show accuracy, loss, confusions, classes and files."""
    with opened(url, project) as found:
        results = run_of(found, run).results()
    emit(results, as_json, lambda: _show(results))


def _show(results: "Results") -> None:
    details, test, detection = results.model_details, results.test, results.detection
    facts(
        [
            ("accuracy", figure(results.accuracy)),
            ("loss", figure(results.loss)),
            ("mAP@[.5:.95]", figure(detection.map) if detection else None),
            ("test accuracy", figure(test.accuracy) if test else None),
            ("model", f"{details.architecture}, {details.parameters:,} parameters"),
            ("trained on", f"{details.train_images} images, validated on {details.val_images}"),
            ("best epoch", f"{details.best_epoch or 'the head'} of {details.epochs_trained}"),
        ]
    )
    line("\nconfusion matrix: rows true, columns predicted")
    matrix = results.confusion_matrix
    table(
        ("", *matrix.classes),
        ((name, *row) for name, row in zip(matrix.classes, matrix.matrix, strict=True)),
    )
    line()
    table(
        ("CLASS", "PRECISION", "RECALL", "F1", "SUPPORT"),
        (
            (each.class_name, figure(each.precision), figure(each.recall), figure(each.f1), each.support)
            for each in results.per_class
        ),
    )
    line()
    table(
        ("FILE", "SIZE", "SHA-256"),
        ((each.format, size(each.size_bytes), each.sha256[:12]) for each in results.artifacts),
    )
    for each in results.warnings:
        say(f"warning: {each.message} ({', '.join(each.examples)})" if each.examples else each.message)


@app.command()
@command
def download(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="Such as onnx, safetensors, card; by default onnx.", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All files of the run.")] = False,
    to: Annotated[Path, typer.Option("--to", help="A folder, or for one file its path.")] = Path("."),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files of another content.")] = False,
    run: Annotated[
        str | None, typer.Option("--run", help="Id of a run; by default the newest.", show_default=False)
    ] = None,
    project: ProjectName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Download files of a run, and print their paths.

    They are checked by their SHA-256. Interrupted, the same command goes on where it was. No file of
    another content is overwritten without --force.
    """
    with opened(url, project) as found, bars() as progress:
        meant = run_of(found, run)
        wanted = [each.format for each in meant.results().artifacts] if everything else files or ["onnx"]
        if len(wanted) > 1:
            to.mkdir(parents=True, exist_ok=True)
        paths = meant.download_all(wanted, to, force=force, on_progress=progress)
    document = [
        {"format": each, "path": str(path), "sizeBytes": path.stat().st_size} for each, path in paths.items()
    ]
    emit(document, as_json, lambda: line("\n".join(map(str, paths.values()))))
