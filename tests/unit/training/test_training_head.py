from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest
import torch
from tiny import CPU, make_config, make_dataset
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training_job.dataset import Dataset
from training_job.group import Group
from training_job.head import fit_head, fitted
from training_job.task import Progress, Scores


class Frozen(nn.Module):
    """A backbone of random filters, as `model.Classifier` is one of good filters."""

    def __init__(self, num_classes: int = 2, width: int = 64) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.filters = nn.Conv2d(3, width, 5, stride=2)
            self.head = nn.Linear(width, num_classes)

    def features(self, images: Tensor) -> Tensor:
        return self.filters(images).relu().mean((2, 3))


class Exact(Frozen):
    """Its features are the same under autocast."""

    def features(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().features(images)


@dataclass(frozen=True, kw_only=True)
class ThreadGroup(Group):
    """Processes of which each is a thread."""

    barrier: Barrier
    parts: dict[int, Tensor] = field(default_factory=dict)

    def gather(self, rows: Tensor) -> Tensor:
        self.parts[self.rank] = rows
        self.barrier.wait(10)
        return torch.cat([self.parts[rank] for rank in range(self.size)])


def striped(count: int, *, side: int = 32) -> Dataset:
    """Class 0 has stripes down, class 1 across, of random colours: no average tells them apart."""
    colours = torch.randint(0, 256, (count, 2, 3), generator=torch.Generator().manual_seed(3))
    lines = (torch.arange(side) // 2 % 2).expand(side, side)
    labels = torch.arange(count) % 2
    images = [colour[lines.T if label else lines] for colour, label in zip(colours, labels, strict=True)]
    return Dataset(torch.stack(images).to(torch.uint8), labels)


def fit_on(
    dataset: Dataset,
    model: Frozen | None = None,
    group: Group | None = None,
    on_batch: Progress = lambda _: None,
    **parameters: object,
) -> tuple[Scores, Frozen]:
    model = model or Frozen()
    return fit_head(model, dataset, make_config(**parameters), CPU, on_batch, group), model


@torch.no_grad()
def logits_of(model: Frozen, images: Tensor) -> Tensor:
    logits: Tensor = model.head(model.features(fitted(images, 32)))
    return logits


def state_of(model: Frozen) -> Tensor:
    return torch.cat([model.head.weight.flatten(), model.head.bias]).detach()


def test_head_learns_what_the_features_tell() -> None:
    """On random filters that were never trained, new images are classified far better than by chance."""
    scores, model = fit_on(striped(200))
    new = striped(300)
    logits = logits_of(model, new.images[200:])
    assert (logits.argmax(1) == new.labels[200:]).float().mean() > 0.9
    assert scores.accuracy > 0.9


def test_scores_are_those_of_the_head_that_is_left() -> None:
    """The loss and accuracy given are what the model itself gives on its training images."""
    data = striped(60)
    scores, model = fit_on(data, horizontal_flip=False)
    logits = logits_of(model, data.images)
    assert scores.loss == pytest.approx(float(cross_entropy(logits, data.labels)), rel=1e-3)
    assert scores.accuracy == pytest.approx(float((logits.argmax(1) == data.labels).float().mean()))


def test_head_is_the_minimum() -> None:
    """No small step lowers the loss with its penalty, which counts a feature's spread, or half the mean's."""
    data = make_dataset(40, num_classes=3)
    model = fit_on(data, Frozen(3), horizontal_flip=False)[1]
    features = model.features(fitted(data.images, 32)).detach()
    variance = features.var(0, correction=0)
    scale = variance.clamp(min=float(variance.mean()) / 4).sqrt()
    loss = cross_entropy(model.head(features), data.labels)
    loss = loss + 0.1 / 2 * (model.head.weight * scale).square().sum()
    weight, bias = torch.autograd.grad(loss, [model.head.weight, model.head.bias])
    assert (weight / scale).abs().max() < 1e-3
    assert bias.abs().max() < 1e-3


def test_same_data_give_the_same_head() -> None:
    """Twice the same run gives the same weights, to the last bit."""
    first, second = (state_of(fit_on(striped(40))[1]) for _ in range(2))
    assert torch.equal(first, second)


def test_shards_give_the_head_of_one_process() -> None:
    """Two processes that compute a part of the features each fit the head that one process fits."""
    data, parts, barrier = striped(41), {}, Barrier(2)
    groups = [ThreadGroup(rank=rank, size=2, barrier=barrier, parts=parts) for rank in range(2)]
    models = [Frozen(), Frozen()]
    with ThreadPoolExecutor(2) as pool:
        shards = list(pool.map(fit_on, [data, data], models, groups))
    alone = fit_on(data)
    assert {len(part) for part in parts.values()} == {20, 21}
    for scores, model in shards:
        assert scores.loss == pytest.approx(alone[0].loss, rel=1e-3)
        torch.testing.assert_close(state_of(model), state_of(alone[1]), rtol=1e-2, atol=1e-2)


def test_balanced_weights_raise_a_rare_class() -> None:
    """Where features say nothing, the classes get their shares; with balanced weights, equal chances."""
    blank = Dataset(torch.zeros(20, 32, 32, 3, dtype=torch.uint8), (torch.arange(20) % 5 == 0).long())

    def chance_of_rare(**parameters: object) -> float:
        model = fit_on(blank, **parameters)[1]
        return float(logits_of(model, blank.images[:1]).softmax(1)[0, 1])

    assert chance_of_rare() == pytest.approx(0.2, abs=0.01)
    assert chance_of_rare(class_weights="balanced") == pytest.approx(0.5, abs=0.01)


def test_mirror_images_count_where_they_may() -> None:
    """With horizontalFlip an image and its mirror image, which have other features, get equal chances."""
    left_lit = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    left_lit[0, :, :16] = 255
    data = Dataset(torch.stack([left_lit[0], left_lit[0].flip(1)]), torch.tensor([0, 1]))

    def accuracy(flip: bool) -> float:
        return fit_on(data, horizontal_flip=flip)[0].accuracy

    assert accuracy(False) == 1
    assert accuracy(True) == 0.5


def test_cached_images_are_fitted_to_the_model() -> None:
    """Images cached larger than imageSize reach the backbone at imageSize, and progress runs to 1."""
    sizes, shares, model = set(), [], Frozen()
    model.filters.register_forward_pre_hook(lambda _, images: sizes.add(images[0].shape[-1]))
    fit_on(make_dataset(20, side=40), model, on_batch=shares.append)
    assert sizes == {32}
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_autocast_does_not_blunt_the_solver() -> None:
    """Mixed precision around the fit changes nothing but the features: the head is the same."""
    config, data = make_config(pretrained=True), striped(40)
    heads = []
    for enabled in (False, True):
        model = Exact()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            scores = fit_head(model, data, config, CPU, lambda _: None)
        heads.append((scores, model.head.weight.tolist(), model.head.bias.tolist()))
    assert heads[0] == heads[1]
