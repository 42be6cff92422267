"""From outputs to classes and boxes."""

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms, box_iou

from predictor.images import Picture
from predictor.models import Model
from predictor.outputs import answer, overlaps, select, softmax


class Session:
    def __init__(self, logits):
        self._logits = logits

    def run(self, _, inputs):
        assert inputs["images"].shape == (1, 3, 4, 4)
        return [np.array([self._logits], np.float32)]


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_thinned_out_as_torchvision_does(seed):
    """The same boxes in the same order as by torchvision's NMS of each class, from the threshold on."""
    generator = np.random.default_rng(seed)
    corners = generator.random((300, 2, 2), np.float32)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    scores = generator.random((300, 3), np.float32) ** 4
    found, sureness, labels = select(boxes, scores, {"iou": 0.55, "scoreThreshold": 0.3})

    flat = torch.from_numpy(scores).flatten()
    best, index = flat.topk(400)
    anchor, label = index // 3, index % 3
    kept = batched_nms(torch.from_numpy(boxes)[anchor], best, label, 0.55)[:100]
    kept = kept[best[kept] >= 0.3]
    assert 20 < len(kept) <= 100
    np.testing.assert_array_equal(found, boxes[anchor[kept]])
    np.testing.assert_array_equal(sureness, best[kept])
    np.testing.assert_array_equal(labels, label[kept])


def test_nothing_sure_is_nothing_found():
    """Below the threshold there is no box, and no error."""
    boxes, scores = np.zeros((2, 4), np.float32), np.full((2, 1), 0.2, np.float32)
    found, sureness, labels = select(boxes, scores, {"iou": 0.5, "scoreThreshold": 0.5})
    assert (found.shape, sureness.shape, labels.shape) == ((0, 4), (0,), (0,))


def test_overlaps_are_torchvisions():
    """Intersection over union; two empty boxes have none."""
    boxes = np.array([[0, 0, 1, 1], [0.5, 0, 1.5, 1], [2, 2, 3, 3]], np.float32)
    wanted = box_iou(torch.from_numpy(boxes[:1]), torch.from_numpy(boxes))[0]
    np.testing.assert_allclose(overlaps(boxes[0], boxes), wanted)
    empty = np.zeros((1, 4), np.float32)
    assert overlaps(empty[0], empty).tolist() == [0]


def test_large_logits_do_not_overflow():
    """Probabilities add up to one, however large the logits are."""
    assert softmax(np.array([3e4, 3e4, -3e4], np.float32)).tolist() == [0.5, 0.5, 0]


def test_the_twenty_likeliest_classes_are_told():
    """Of 30 classes those with the highest probabilities, in their order."""
    description = {"classes": [str(n) for n in range(30)], "inputSize": [3, 4, 4], "output": "logits"}
    model = Model(Session(np.arange(30) / 10), description, 1)
    said = answer(model, Picture(np.zeros((4, 4, 3), np.uint8), 4, 4))["predictions"]
    assert [each["label"] for each in said] == [str(n) for n in range(29, 9, -1)]
    assert said[0]["probability"] > said[1]["probability"] > 0
