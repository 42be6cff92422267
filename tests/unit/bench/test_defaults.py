from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from bench.defaults import PRETRAINED, SCRATCH, Pictures, Train, accuracies, measure, torchvision_accuracies
from chalicelib.contract.config import TrainingConfig

TINY = {
    "architecture": "mobilenet_v3_small",
    "pretrained": False,
    "imageSize": 32,
    "epochs": 3,
    "batchSize": 4,
}


def labelled() -> Iterator[tuple[str, bytes]]:
    for index in range(12):
        buffer = BytesIO()
        Image.new("RGB", (8, 8), ("black", "white")[index % 2]).save(buffer, "PNG")
        # Bytes after the image's end: no file is the same as another.
        yield str(index % 2), buffer.getvalue() + bytes([index])


@pytest.mark.parametrize("own", PRETRAINED + SCRATCH)
def test_candidates_can_be_trained_with(own: dict[str, object]) -> None:
    """Every candidate is a configuration that the API would take."""
    TrainingConfig.from_json(own).resolved()


@pytest.mark.parametrize("train", [accuracies, torchvision_accuracies])
def test_figures_are_of_real_runs(train: Train) -> None:
    """A side is trained on all pictures: its figures are shares, in the order that their names say."""
    pictures = Pictures.of(labelled())
    figures = measure(pictures, TINY, seeds=1, train=train)
    assert len(pictures.manifest.entries) == 12
    assert 0 <= figures["lowest"] <= figures["last"] <= figures["best"] <= 1
    assert figures["cpu_seconds"] > 0
