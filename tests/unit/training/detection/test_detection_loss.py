import pytest
import torch
from scenes import make_objects, make_targets
from torch import Tensor
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import box_iou

from training_job.detection.boxes import Targets
from training_job.detection.loss import decode, encode, match, ssd_loss

ONE = make_objects((0.1, 0.1, 0.6, 0.5), labels=[2])
TWO = make_objects((0.0, 0.0, 0.2, 0.3), (0.3, 0.3, 0.9, 1.0), labels=[1, 3])
NONE = make_objects()


@pytest.fixture(scope="module")
def anchors() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(60, 2, generator=generator) * 40
    return torch.cat([corners, corners + 4 + torch.rand(60, 2, generator=generator) * 24], 1)


def outputs(images: int, anchors: Tensor) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(images, len(anchors), 4, generator=generator)
    return logits.requires_grad_(), torch.randn(images, len(anchors), 4, generator=generator)


def test_it_is_torchvisions_loss(anchors: Tensor) -> None:
    """On images with objects the mean is that of torchvision's SSD, which goes image by image."""
    targets = make_targets(ONE, TWO)
    logits, codes = outputs(2, anchors)
    total, weight = ssd_loss(logits, codes, targets, anchors)
    net = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    dicts = targets.as_dicts(first=1)
    matched = [net.proposal_matcher(box_iou(each["boxes"], anchors)) for each in dicts]
    head = {"bbox_regression": codes, "cls_logits": logits}
    expected = sum(net.compute_loss(dicts, head, [anchors, anchors], matched).values())
    torch.testing.assert_close(total / weight, expected)


def test_padding_changes_nothing(anchors: Tensor) -> None:
    """An image's loss is the same beside one with more objects, and in two halves of a batch."""
    logits, codes = outputs(2, anchors)
    together = ssd_loss(logits, codes, make_targets(ONE, TWO), anchors)
    apart = [
        ssd_loss(logits[[index]], codes[[index]], make_targets(each), anchors)
        for index, each in enumerate((ONE, TWO))
    ]
    for whole, parts in zip(together, zip(*apart, strict=True), strict=True):
        torch.testing.assert_close(whole, sum(parts))


def test_an_image_without_objects_teaches_the_background(anchors: Tensor) -> None:
    """Its loss pulls the background up and the classes down, where torchvision's would be nothing."""
    logits, codes = outputs(1, anchors)
    total, weight = ssd_loss(logits, codes, make_targets(NONE), anchors)
    total.backward()
    slope = logits.grad.sum((0, 1))
    assert float(weight) > 0
    assert slope[0] < 0
    assert (slope[1:] > 0).all()


def test_each_object_has_its_best_anchor(anchors: Tensor) -> None:
    """An object that no anchor covers by half is looked for by the one that covers it best."""
    small = Targets(torch.tensor([[[20.0, 20.0, 22.0, 22.0]]]), torch.tensor([[3]]))
    boxes, labels = match(small, anchors)
    best = box_iou(small.boxes[0], anchors)[0].argmax()
    assert labels.nonzero().tolist() == [[0, int(best)]]
    assert torch.equal(boxes[0, best], small.boxes[0, 0])


def test_codes_are_read_back(anchors: Tensor) -> None:
    """What is encoded relative to the anchors is decoded to the same boxes."""
    boxes = anchors.flip(0)[None]
    torch.testing.assert_close(decode(encode(boxes, anchors), anchors), boxes, atol=1e-4, rtol=0)
