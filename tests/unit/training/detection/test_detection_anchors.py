import pytest
import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from training_job.detection.anchors import Anchors


def boxes_of(*sides: int, size: int = 80) -> Tensor:
    """Anchors of 0.5, and of 0.25 and 0.75 on the second map; the maps have these sides."""
    maps = [torch.zeros(2, 1, side, side) for side in sides]
    images = ImageList(torch.zeros(2, 3, size, size), [(size, size)] * 2)
    first, second = Anchors([(0.5,), (0.25, 0.75)][: len(sides)])(images, maps)
    assert first is second
    return first


def test_they_go_by_rows_then_columns_then_shapes() -> None:
    """As the heads give their outputs: the next anchor is the next shape, then the next column."""
    boxes = boxes_of(2, 1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert len(boxes) == 2 * 2 * 3 + 6
    assert centres[::3].tolist() == [[20, 20], [60, 20], [20, 60], [60, 60], [40, 40], [40, 40]]


def test_shapes_of_a_size_have_its_area() -> None:
    """Twice as high, square, and twice as wide, each of a quarter of the image's area."""
    sides = (boxes_of(1)[:, 2:] - boxes_of(1)[:, :2]) / 80
    assert sides.prod(1).tolist() == pytest.approx([0.25] * 3)
    assert (sides[:, 0] / sides[:, 1]).tolist() == pytest.approx([0.5, 1, 2])
