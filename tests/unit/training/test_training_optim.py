from math import cos, pi

import pytest
import torch
from tiny import CPU, make_config, make_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.optim.lr_scheduler import OneCycleLR

from training_job.optim import Losses, class_weights, lr_factor, make_optimizer


def course(scheduler: str, total: int, warmup: int) -> list[float]:
    return [lr_factor(scheduler, step, total, warmup) for step in range(total)]


@pytest.mark.parametrize(("total", "warmup"), [(40, 10), (100, 25), (7, 3)])
def test_onecycle_is_torchs_own(total: int, warmup: int) -> None:
    """Our closed form has the values of torch's OneCycleLR at every step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = OneCycleLR(optimizer, 1.0, total_steps=total, pct_start=warmup / total, cycle_momentum=False)
    theirs = []
    for _ in range(total):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(theirs) < total else None
    assert course("onecycle", total, warmup) == pytest.approx(theirs, abs=1e-9)


def test_cosine_rises_in_a_line_then_follows_the_cosine() -> None:
    """Cosine is (1 + cos πt) / 2 after a straight warm-up."""
    rates = course("cosine", 30, 10)
    assert rates[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert rates[10:] == pytest.approx([(1 + cos(pi * step / 20)) / 2 for step in range(20)])


def test_constant_stays() -> None:
    """Constant is flat after its warm-up."""
    assert course("constant", 6, 2) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])


@pytest.mark.parametrize("scheduler", ["onecycle", "cosine", "constant"])
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (2, 1), (5, 0), (5, 4)])
def test_short_courses_stay_in_bounds(scheduler: str, total: int, warmup: int) -> None:
    """Runs of a few steps, with and without warm-up, have rates above 0 and up to the peak."""
    assert all(0 < rate <= 1 for rate in course(scheduler, total, warmup))


def test_norms_and_biases_do_not_decay() -> None:
    """Weight decay is on kernels alone, and every parameter is in one group."""
    config = make_config(weight_decay=0.1)
    model = make_model(config)
    groups = make_optimizer(model, config).param_groups
    for group in groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("optimizer", "pretrained", "share"),
    [("adamw", True, 0.5), ("sgd", True, 0.2), ("adamw", False, 1.0), ("sgd", False, 1.0)],
)
def test_pretrained_body_learns_slower(optimizer: str, pretrained: bool, share: float) -> None:
    """The head learns at the configured rate; a pretrained body at a share of it."""
    config = make_config(optimizer=optimizer, pretrained=pretrained, learning_rate=0.01)
    model = make_model(config)
    head = {id(parameter) for parameter in model.head.parameters()}
    for group in make_optimizer(model, config).param_groups:
        is_head = {id(parameter) in head for parameter in group["params"]}
        assert group["lr"] == pytest.approx(0.01 if is_head == {True} else 0.01 * share)


LABELS, PARTNERS = torch.tensor([0, 1, 2] * 2), torch.tensor([1, 2, 0, 0, 1, 2])


def losses_of(logits: Tensor, share: float = 1.0, train: Tensor = LABELS, **parameters: object) -> Tensor:
    losses = Losses.of(make_config(**parameters), train, logits.shape[1], CPU)
    return losses(logits, LABELS, PARTNERS, share)


def test_frozen_parameters_are_left_out() -> None:
    """What needs no gradient is in no group."""
    config = make_config()
    model = make_model(config)
    for parameter in model.body_parameters():
        parameter.requires_grad_(False)
    groups = make_optimizer(model, config).param_groups
    assert {id(each) for group in groups for each in group["params"]} == {
        id(each) for each in model.head_parameters()
    }


def test_balanced_weights() -> None:
    """A class with a third of the images of another weighs three times as much; the mean image weighs 1."""
    labels = torch.tensor([0, 0, 0, 1])
    weights = class_weights(labels, 2)
    assert weights.tolist() == pytest.approx([4 / 6, 4 / 2])
    assert float(weights[labels].mean()) == pytest.approx(1)


def test_a_class_without_images_weighs_one() -> None:
    """The other classes are balanced among themselves, and the empty one doesn't upset label smoothing."""
    labels = torch.tensor([0, 0, 0, 2])
    weights = class_weights(labels, 3)
    assert weights.tolist() == pytest.approx([4 / 6, 1, 4 / 2])
    assert float(weights[labels].mean()) == pytest.approx(1)


def test_losses_are_torchs() -> None:
    """With smoothing, each image's loss is torch's, in float32 whatever the logits are."""
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    expected = cross_entropy(logits, LABELS, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(losses_of(logits, label_smoothing=0.1), expected)
    half = losses_of(logits.bfloat16(), label_smoothing=0.1)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, atol=0.05, rtol=0)


def test_losses_weigh_classes_only_when_balanced() -> None:
    """The loss of an image is weighted by its class where that was asked for, and only there."""
    logits, train = torch.randn(6, 3), torch.tensor([0, 0, 0, 0, 1, 2])
    plain = cross_entropy(logits, LABELS, reduction="none")
    torch.testing.assert_close(losses_of(logits, train=train), plain)
    balanced = losses_of(logits, train=train, class_weights="balanced")
    torch.testing.assert_close(balanced, plain * class_weights(train, 3)[LABELS])


def test_mixed_loss_is_the_loss_of_mixed_targets() -> None:
    """The loss of a mixed image is the cross-entropy against the mixed label distribution."""
    logits = torch.randn(6, 3)
    targets = 0.7 * one_hot(LABELS, 3) + 0.3 * one_hot(PARTNERS, 3)
    torch.testing.assert_close(losses_of(logits, 0.7), cross_entropy(logits, targets, reduction="none"))


def test_images_without_a_label_have_no_loss() -> None:
    """Logits beyond the labels count nothing; without any label the sum is zero, with a gradient of zero."""
    logits = torch.randn(8, 3, requires_grad=True)
    torch.testing.assert_close(losses_of(logits), losses_of(logits[:6]))
    none = torch.empty(0, dtype=torch.long)
    Losses(0.1, None)(logits, none, none, 0.7).sum().backward()
    assert logits.grad is not None
    assert not logits.grad.any()
