from math import cos, pi

import pytest
import torch
from tiny import make_config, make_model
from torch import nn
from torch.nn.functional import cross_entropy, one_hot
from torch.optim.lr_scheduler import OneCycleLR

from training_job.optim import class_weights, lr_factor, make_criterion, make_optimizer, mixed_loss


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


@pytest.mark.parametrize(("pretrained", "share"), [(True, 0.2), (False, 1.0)])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_pretrained_body_learns_slower(optimizer: str, pretrained: bool, share: float) -> None:
    """The head learns at the configured rate; the body at a fifth of it, if it is pretrained."""
    config = make_config(optimizer=optimizer, pretrained=pretrained, learning_rate=0.01)
    model = make_model(config)
    head = {id(parameter) for parameter in model.head.parameters()}
    for group in make_optimizer(model, config).param_groups:
        is_head = {id(parameter) in head for parameter in group["params"]}
        assert group["lr"] == pytest.approx(0.01 if is_head == {True} else 0.01 * share)


def test_balanced_weights() -> None:
    """A class with a third of the images of another weighs three times as much."""
    weights = class_weights(torch.tensor([0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([4 / 6, 4 / 2])
    assert class_weights(torch.tensor([0, 0]), 2).isfinite().all()


def test_criterion_has_weights_only_when_balanced() -> None:
    """The loss weighs classes only where that was asked for."""
    labels = torch.tensor([0, 0, 0, 1])
    assert make_criterion(make_config(), labels, 2).weight is None
    assert make_criterion(make_config(class_weights="balanced"), labels, 2).weight is not None


def test_mixup_loss_is_the_loss_of_mixed_targets() -> None:
    """The loss of a mixed image is the cross-entropy against the mixed label distribution."""
    logits, labels, partners = (
        torch.randn(6, 3),
        torch.tensor([0, 1, 2] * 2),
        torch.tensor([1, 2, 0, 0, 1, 2]),
    )
    targets = 0.7 * one_hot(labels, 3) + 0.3 * one_hot(partners, 3)
    loss = mixed_loss(nn.CrossEntropyLoss(), logits, labels, partners, 0.7)
    torch.testing.assert_close(loss, cross_entropy(logits, targets))
