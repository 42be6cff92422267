"""What a run looks like, as matplotlib figures. No global state: no pyplot, and Agg alone draws."""

import warnings
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import ConfusionMatrix, Mistake

from .figures import EpochFigures

#: Pictures on the page of mistakes, and how many of them are side by side.
MAX_PICTURES, _COLUMNS = 24, 6
#: Counts are written into the cells of a matrix of up to this many classes.
_MAX_COUNTS = 150
_LONGEST_NAME = 24


def save(figure: Figure, path: Path) -> None:
    """As PNG."""
    with warnings.catch_warnings():
        # A class name in a script that matplotlib's font lacks is drawn as boxes, and no harm done.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.savefig(path, format="png", dpi=100)


def curves(history: Sequence[EpochFigures]) -> Figure:
    """Loss, accuracy and learning rate by epoch."""
    figure = Figure(figsize=(15, 4.5))
    loss, accuracy, rate = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.04, right=0.99, bottom=0.11, top=0.92, wspace=0.18)
    epochs = [each.epoch for each in history]
    _lines(loss, epochs, "loss", training=[each.train_loss for each in history],
           validation=[each.val_loss for each in history])  # fmt: skip
    _lines(accuracy, epochs, "accuracy", training=[each.train_accuracy for each in history],
           validation=[each.val_accuracy for each in history])  # fmt: skip
    _lines(rate, epochs, "learning rate", head=[each.learning_rate for each in history])
    accuracy.set_ylim(-0.02, 1.02)
    return figure


def _lines(axes: Axes, epochs: list[int], name: str, **series: Sequence[float | None]) -> None:
    for label, values in series.items():
        points = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=label)
    axes.set(title=name, xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


def confusion(confusion_matrix: ConfusionMatrix) -> Figure:
    """Rows are true classes, columns predicted ones; the colour is the share of the row.

    It grows with the number of classes, up to 24 inches: past 150 classes only the colours are legible.
    """
    matrix, count = confusion_matrix.matrix, len(confusion_matrix.classes)
    side = min(3 + 0.3 * count, 24)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = [[cell / max(sum(row), 1) for cell in row] for row in matrix]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= _MAX_COUNTS:
        _write_counts(axes, matrix, shares, size=min(9, 560 / count))
    every = ceil(count / _MAX_COUNTS)
    ticks, names = range(0, count, every), map(_short, confusion_matrix.classes[::every])
    size = max(5.0, min(9, 800 / count))
    labels = list(names)
    axes.set_xticks(ticks, labels, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, labels, fontsize=size, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def _write_counts(axes: Axes, matrix: list[list[int]], shares: list[list[float]], size: float) -> None:
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=size, color=colour)


def worst(mistakes: Sequence[Mistake], entries: Sequence[Entry], images: Tensor) -> Figure:
    """A page of the first `MAX_PICTURES` mistakes, each with what it is and what it was taken for.

    Args:
        mistakes: one at least; the boxes of a detector's are drawn.
        entries: of the validation split.
        images: uint8 (N, side, side, 3), RGB: their pictures in the same order.
    """
    shown, places = mistakes[:MAX_PICTURES], {each.image_id: index for index, each in enumerate(entries)}
    rows = ceil(len(shown) / _COLUMNS)
    height = 3.4 * rows
    figure = Figure(figsize=(3 * _COLUMNS, height))
    # A constrained layout would draw the page twice to find what is known: a picture, and two lines on it.
    grid = figure.add_gridspec(
        rows,
        _COLUMNS,
        left=0.01,
        right=0.99,
        bottom=0.1 / height,
        top=1 - 0.5 / height,
        hspace=0.18,
        wspace=0.05,
    )
    for number, mistake in enumerate(shown):
        index = places[mistake.image_id]
        _picture(figure.add_subplot(grid[number]), mistake, entries[index], images[index])
    return figure


def _picture(axes: Axes, mistake: Mistake, entry: Entry, image: Tensor) -> None:
    # In the pixels of the file, which undoes the stretching to a square, and which boxes are in.
    axes.imshow(image.numpy(), extent=(0, entry.width, entry.height, 0))
    axes.set_axis_off()
    if mistake.box:
        left, top, width, height = mistake.box
        axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor="red", linewidth=2))
    words = (
        f"{_short(mistake.true)} → {_short(mistake.predicted)} {mistake.confidence:.0%}",
        _short(mistake.file_name),
    )
    # At a place of its own: matplotlib would look for one by drawing all ticks, which are off.
    axes.set_title("\n".join(words), fontsize=9, y=1.0, parse_math=False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
