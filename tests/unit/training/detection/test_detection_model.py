from typing import Any

import pytest
import torch
from scenes import SIZE, make_objects, make_targets
from torch import Tensor, nn
from torchvision.models import get_model

from chalicelib.contract.errors import TrainingError
from training_job.detection.build import build_detector
from training_job.detection.model import Detector, Found

LIGHT = ["ssdlite_mobilenet_v2", "ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"]
TARGETS = make_targets(
    make_objects((0.1, 0.1, 0.7, 0.6), labels=[2]), make_objects(), make_objects((0.5, 0.4, 1.0, 1.0))
)


def build(architecture: str, pretrained: Any = None, *, num_classes: int = 2, seed: int = 0) -> Detector:
    return build_detector(architecture, num_classes, SIZE, seed=seed, pretrained=pretrained)


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", [*LIGHT, "retinanet_resnet50_fpn_v2"])
def test_it_trains_and_finds(architecture: str) -> None:
    """A step moves head and body, negatives in the batch; in eval mode there are boxes in the image."""
    model = build(architecture).train()
    loss = model(images(), TARGETS)
    (loss.total / loss.weight).backward()
    for part in (model.head_parameters(), model.body_parameters()):
        assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in part)
    with torch.no_grad():
        loss, found = model.eval()(images(), TARGETS)
    assert torch.isfinite(loss.total / loss.weight)
    assert len(found) == 3
    for each in found:
        assert each.boxes.min() >= 0
        assert each.boxes.max() <= SIZE
        assert set(each.labels.tolist()) <= {1, 2}
        assert (each.scores.diff() <= 0).all()


def test_the_largest_is_built() -> None:
    """The ResNet-50 Faster R-CNN has its parameters too, less COCO's classes."""
    model = build("fasterrcnn_resnet50_fpn_v2")
    assert sum(each.numel() for each in model.parameters()) == 43_261_278


def test_what_it_finds_needs_no_targets() -> None:
    """In eval mode images alone are enough, and give the same boxes."""
    model = build("ssdlite_mobilenet_v2").eval()
    with torch.no_grad():
        alone, (_, beside) = model(images()), model(images(), TARGETS)
    assert all(torch.equal(one.boxes, other.boxes) for one, other in zip(alone, beside, strict=True))


@pytest.mark.parametrize(
    ("architecture", "backbone"),
    [
        ("ssdlite_mobilenet_v2", "mobilenet_v2"),
        ("fasterrcnn_mobilenet_v3_large_320_fpn", "mobilenet_v3_large"),
        ("retinanet_resnet50_fpn_v2", "resnet50"),
    ],
)
def test_the_body_comes_from_a_classifier(architecture: str, backbone: str) -> None:
    """With a classifier's weights the body computes what the classifier's layers do; the rest is seeded."""
    classifier = get_model(backbone, weights=None)
    for each in classifier.parameters():
        nn.init.normal_(each, std=0.05)
    model, other = build(architecture, (classifier.state_dict(), "backbone")), build(architecture)
    wanted = [each for each in classifier.state_dict().values() if each.ndim]
    mine = [each for each in model.body.state_dict().values() if each.ndim]
    assert all(torch.equal(*pair) for pair in zip(mine, wanted, strict=False))
    assert len(mine) >= len(wanted) - 6  # the classifier's head
    assert all(
        torch.equal(*pair) for pair in zip(model.head_parameters(), other.head_parameters(), strict=True)
    )


def test_a_detectors_weights_come_without_its_classes() -> None:
    """Of weights for other classes all is taken but the layers that score classes."""
    trained = build("ssdlite320_mobilenet_v3_large", num_classes=5, seed=1)
    model = build("ssdlite320_mobilenet_v3_large", (trained.net.state_dict(), "full"))
    fresh = build("ssdlite320_mobilenet_v3_large")
    taken = {
        name
        for name, value in model.net.state_dict().items()
        if value.shape == trained.net.state_dict()[name].shape
        and torch.equal(value, trained.net.state_dict()[name])
    }
    left = [name for name, _ in model.net.named_parameters() if name not in taken]
    assert left
    assert all(name.startswith("head.classification_head") for name in left)
    assert all(torch.equal(model.net.state_dict()[name], fresh.net.state_dict()[name]) for name in left)


def test_other_weights_are_refused() -> None:
    """Weights of another architecture are an error of the image, not a bad start."""
    with pytest.raises(TrainingError) as refused:
        build("ssdlite_mobilenet_v2", (get_model("resnet18", weights=None).state_dict(), "backbone"))
    assert refused.value.code == "weights-corrupt"


def test_the_seed_decides() -> None:
    """The same seed gives the same weights, another one others; torch's own generator is left alone."""
    before = torch.get_rng_state()
    one, same, other = (build("ssdlite_mobilenet_v2", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    first, second, third = (next(iter(each.parameters())) for each in (one, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_boxes_that_say_the_same_again_are_left_out() -> None:
    """Of two boxes of one class in one place the surer stays; one of another class stays beside it."""
    model = build("ssdlite_mobilenet_v2")
    boxes = torch.tensor([[[0.0, 0, 20, 20], [1, 0, 20, 20], [40, 40, 99, 60]]])
    scores = torch.tensor([[[0.9, 0.0], [0.8, 0.7], [0.0, 0.005]]])
    [found] = model.select(boxes, scores)  # type: ignore[operator]
    assert isinstance(found, Found)
    assert found.labels.tolist() == [1, 2]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.7]))
