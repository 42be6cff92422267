"""What the demo shows on a terminal, and in a log."""

from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table


class Progress:
    """A bar on a terminal; elsewhere a line whenever the phase or the epoch changes."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._console = console
        self._epochs = epochs
        self._shown: tuple[str, int, bool] | None = None
        self._bars = Bars(
            TextColumn("{task.description:12}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("queued", total=100, figures="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bars.stop()

    def show(self, status: dict[str, Any]) -> None:
        """Shows a session's status, as the API answers it."""
        figures = self._figures(status)
        self._bars.update(
            self._task, description=status["phase"], completed=status["progress"], figures=figures
        )
        metrics = status["metrics"] or {}
        moment = (status["phase"], metrics.get("epoch", 0), metrics.get("valLoss") is None)
        if not self._console.is_terminal and moment != self._shown:
            self._console.print(f"{status['progress']:5.1f} % {status['phase']:12} {figures}")
            self._shown = moment

    def _figures(self, status: dict[str, Any]) -> str:
        metrics = status["metrics"] or {}
        done = metrics.get("valLoss") is not None
        parts = [_epoch(metrics["epoch"], self._epochs)] if done else []
        for name, label in (("valLoss", "loss"), ("valAccuracy", "accuracy")):
            if metrics.get(name) is not None:
                parts.append(f"{label} {metrics[name]:.3f}")
        if metrics.get("imagesPerSecond"):
            parts.append(f"{metrics['imagesPerSecond']:.0f} images/s")
        if status["etaSeconds"] is not None:
            parts.append(f"{status['etaSeconds']} s left")
        return "  ".join(parts)


def show_results(console: Console, results: dict[str, Any]) -> None:
    """Prints the results of a run, as the API answers them."""
    console.print(f"\n[bold]accuracy {results['accuracy']:.4f}[/]   loss {results['loss']:.4f}\n")
    if found := results["detection"]:
        console.print(f"mAP@0.5 {found['map50']:.4f}   mAP@[.5:.95] {found['map']:.4f}\n")
    console.print(_matrix(results["confusionMatrix"]))
    console.print(_classes(results["perClass"]))
    details = results["modelDetails"]
    console.print(
        f"{details['architecture']}, {details['parameters']:,} parameters, {_size(details['sizeBytes'])}, "
        f"input {' x '.join(map(str, details['inputSize']))}, {details['framework']}"
    )
    console.print(
        f"trained on {details['trainImages']} images, validated on {details['valImages']}; "
        f"best of {details['epochsTrained']} epochs: {details['bestEpoch'] or 'the head'}; "
        f"data {details['datasetHash'][:12]}"
    )
    console.print(_run(results["run"]))
    for artifact in results["artifacts"]:
        console.print(
            f"  {artifact['format']:16} {_size(artifact['sizeBytes']):>9}  {artifact['sha256'][:12]}"
        )
    if details["onnxMaxDifference"] is not None:
        console.print(f"ONNX and torch differ by at most {details['onnxMaxDifference']:.1g}")
    for warning in results["warnings"]:
        console.print(f"[yellow]warning:[/] {warning['message']} {', '.join(warning['examples'])}")


def _run(run: dict[str, Any]) -> str:
    return (
        f"{run['imagesPerSecond']:.0f} images/s on {run['devices']} x {run['device']}, "
        f"attempt {run['attempts']}; peak memory {_size(run['peakMemoryBytes'])}, of it "
        f"{_size(run['cacheBytes'])} decoded images in {run['cachePlace']}"
    )


def _epoch(number: int, epochs: int) -> str:
    """Epoch 0 is the head alone, on the backbone as it came."""
    return f"epoch {number}/{epochs}" if number else "head"


def _matrix(confusion: dict[str, Any]) -> Table:
    table = Table(title="confusion matrix: rows true, columns predicted", box=box.SIMPLE_HEAD)
    table.add_column("")
    for name in confusion["classes"]:
        table.add_column(name, justify="right")
    for row, (name, counts) in enumerate(zip(confusion["classes"], confusion["matrix"], strict=True)):
        cells = [_cell(count, row == column) for column, count in enumerate(counts)]
        table.add_row(f"[bold]{name}[/]", *cells)
    return table


def _cell(count: int, is_right: bool) -> str:
    if not count:
        return "[dim]·[/]"
    return f"[green]{count}[/]" if is_right else f"[red]{count}[/]"


def _classes(per_class: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("class", "precision", "recall", "f1", "support"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for each in per_class:
        figures = [f"{each[name]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(each["class"], *figures, str(each["support"]))
    return table


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes:,} B"
