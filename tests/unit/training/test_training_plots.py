from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finished import make_history
from PIL import Image
from tiny import make_entries

from chalicelib.contract.results import ConfusionMatrix, Mistake
from training_job import plots


def _matrix(count: int) -> ConfusionMatrix:
    counts = 20 * np.eye(count, dtype=int)
    return ConfusionMatrix(classes=[f"class {n}" for n in range(count)], matrix=counts.tolist())


@pytest.mark.parametrize("count", [2, 100])
def test_confusion_matrix_is_legible(count: int) -> None:
    """At 2 and at 100 classes no cell is smaller than its count, and no label runs into the next."""
    figure = plots.confusion(_matrix(count))
    figure.draw_without_rendering()
    [axes] = figure.axes
    cell = axes.get_window_extent().width / count
    assert max(text.get_window_extent().width for text in axes.texts) <= cell
    labels = axes.get_yticklabels()
    assert len(labels) == count
    assert max(label.get_window_extent().height for label in labels) <= 1.2 * cell


def test_confusion_matrix_of_many_classes_names_some() -> None:
    """Of 400 classes every third is named, and no counts are drawn."""
    [axes] = plots.confusion(_matrix(400)).axes
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["class 0", "class 3"]
    assert len(axes.texts) == 0


def test_curves_show_every_epoch() -> None:
    """Losses, accuracies and the learning rate of all epochs, epoch 0 among them."""
    history = make_history(0, 1, 2)
    loss, accuracy, rate = plots.curves(history).axes
    for axes, name in ((loss, "train_loss"), (accuracy, "train_accuracy"), (rate, "learning_rate")):
        assert axes.lines[0].get_xdata().tolist() == [0, 1, 2]
        assert axes.lines[0].get_ydata().tolist() == [getattr(each, name) for each in history]
    assert loss.lines[1].get_ydata().tolist() == [0.5] * 3


def test_curves_of_a_detector_lack_what_it_lacks() -> None:
    """Without a training accuracy there is the validation's alone."""
    history = [replace(each, train_accuracy=None) for each in make_history(1, 2)]
    assert [line.get_label() for line in plots.curves(history).axes[1].lines] == ["validation"]


def test_page_of_mistakes_shows_the_right_pictures() -> None:
    """Each mistake has its own picture in the file's pixels, its classes and its box, the first 24."""
    entries = [replace(each, width=40, height=20) for each in make_entries(*"a" * 30)]
    images = torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1).expand(30, 8, 8, 3)
    mistakes = [
        Mistake(
            image_id=each.image_id, file_name=each.file_name, true="a", predicted="$b", confidence=0.5,
            box=[1, 2, 3, 4],
        )
        for each in reversed(entries)
    ]  # fmt: skip
    figure = plots.worst(mistakes, entries, images)
    shown = [axes for axes in figure.axes if axes.images]
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in shown] == list(range(29, 5, -1))
    assert shown[0].images[0].get_extent() == [0, 40, 20, 0]
    assert shown[0].get_title() == "a → $b 50%\n29.png"
    assert shown[0].patches[0].get_bbox().bounds == (1, 2, 3, 4)


def test_figures_are_saved_as_png(tmp_path: Path) -> None:
    """Names in any script, and with TeX's signs, are drawn without a complaint."""
    names = ["猫", "$x^", "a_b"]
    plots.save(plots.confusion(ConfusionMatrix(classes=names, matrix=[[1] * 3] * 3)), tmp_path / "m.png")
    with Image.open(tmp_path / "m.png") as image:
        assert image.format == "PNG"
        assert np.asarray(image.convert("L")).std() > 5
