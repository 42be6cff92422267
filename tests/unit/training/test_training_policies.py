from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from training_job.policies import _COLOURS, POLICIES, Policy, tint

NAMES = list(POLICIES["trivialaugment"].limits)


@pytest.fixture
def images() -> Tensor:
    """float32 (3, 3, 16, 16) with colours of whole 255ths."""
    drawn = torch.randint(20, 200, (3, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    return (drawn / 255).contiguous(memory_format=torch.channels_last)


def recoloured(images: Tensor, name: str, *strengths: float) -> Tensor:
    out, number = images.clone(), NAMES.index(name)
    operations = torch.full((len(images), 1), number)
    POLICIES["trivialaugment"].recolour(out, operations, torch.tensor(strengths)[:, None])
    return out


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("brightness", functional.adjust_brightness),
        ("colour", functional.adjust_saturation),
        ("contrast", functional.adjust_contrast),
        ("sharpness", functional.adjust_sharpness),
    ],
)
def test_relative_changes_are_torchvisions(name: str, theirs: object, images: Tensor) -> None:
    """Each image is changed by its own factor, as torchvision changes a single one."""
    strengths = (-0.9, 0.0, 0.5)
    # Torchvision's luma has a rounder weight of blue.
    expected = [theirs(each, 1 + strength) for each, strength in zip(images, strengths, strict=True)]
    torch.testing.assert_close(recoloured(images, name, *strengths), torch.stack(expected), atol=1e-3, rtol=0)


def test_discrete_changes_are_torchvisions(images: Tensor) -> None:
    """Posterize, solarize, autocontrast and equalize are torchvision's, of any sign."""
    whole = (images * 255).round().to(torch.uint8)
    cases = {
        "posterize": [functional.posterize(whole[i], bits) for i, bits in enumerate((8, 6, 3))],
        "solarize": [functional.solarize(whole[i], limit) for i, limit in enumerate((255, 153, 51))],
        "autocontrast": list(functional.autocontrast(whole)),
        "equalize": list(functional.equalize(whole)),
    }
    strengths = {"posterize": (0.0, -2.0, 5.0), "solarize": (0.0, 0.4, -0.8)}
    for name, expected in cases.items():
        out = recoloured(images, name, *strengths.get(name, (0.0, 0.0, 0.0)))
        torch.testing.assert_close(out * 255, torch.stack(expected).float(), atol=1.01, rtol=0, msg=name)


def test_tint_is_one_change_after_the_other(images: Tensor) -> None:
    """The one affine map of a colour is brightness, then saturation, then contrast."""
    factors = [torch.tensor(each) for each in ((0.9, 1.1, 0.7), (0.5, 1.0, 1.2), (0.8, 1.2, 1.0))]
    expected = []
    for image, b, s, c in zip(images, *factors, strict=True):
        bright = image * b
        grey = (bright * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
        saturated = torch.lerp(grey.expand_as(image), bright, s)
        expected.append(torch.lerp(grey.mean().expand_as(image), saturated, c).clamp(0, 1))
    torch.testing.assert_close(tint(images, *factors), torch.stack(expected))


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("shear-x", (0.5 + 0.3 * 0.25, 0.25)),
        ("shear-y", (0.5, 0.25 + 0.3 * 0.5)),
        ("translate-x", (0.5 + 0.6, 0.25)),
        ("translate-y", (0.5, 0.25 + 0.6)),
        ("rotate", (0.5 * np.cos(0.3) - 0.25 * np.sin(0.3), 0.5 * np.sin(0.3) + 0.25 * np.cos(0.3))),
        ("solarize", (0.5, 0.25)),
    ],
)
def test_where_a_map_looks(name: str, place: tuple[float, float]) -> None:
    """For the point (0.5, 0.25) a geometric operation of strength 0.3 looks where its formula says."""
    [found] = POLICIES["trivialaugment"].maps(torch.tensor([[NAMES.index(name)]]), torch.tensor([[0.3]]))
    assert (found @ torch.tensor([0.5, 0.25, 1.0]))[:2].tolist() == pytest.approx(place, abs=1e-6)


def test_two_maps_are_applied_one_after_the_other() -> None:
    """With two geometric operations the place goes through both."""
    numbers, strengths = (
        torch.tensor([[NAMES.index("rotate"), NAMES.index("shear-x")]]),
        torch.tensor([[0.3, 0.2]]),
    )
    policy = POLICIES["randaugment"]
    first, second = (
        policy.__class__(policy.limits, 1).maps(numbers[:, [i]], strengths[:, [i]])[0] for i in (0, 1)
    )
    torch.testing.assert_close(policy.maps(numbers, strengths)[0], first @ second)


@pytest.mark.parametrize(("name", "picks"), [("trivialaugment", 1), ("randaugment", 2)])
def test_draws_use_the_whole_space(name: str, picks: int) -> None:
    """Each operation comes about equally often, of both signs, and never beyond its limit."""
    policy = POLICIES[name]
    operations, strengths = policy.draw(2800, np.random.default_rng(0))
    assert operations.shape == strengths.shape == (2800, picks)
    counts = Counter(operations.flatten().tolist())
    assert set(counts) == set(range(14))
    assert all(150 * picks < count < 250 * picks for count in counts.values())
    for number, limit in enumerate(policy.limits.values()):
        drawn = strengths[operations == number]
        assert float(drawn.abs().max()) == pytest.approx(limit * (0.3 if policy.level else 1))
        assert limit == 0 or float(drawn.min()) < 0 < float(drawn.max())


def test_every_operation_has_a_meaning() -> None:
    """Each name in a policy changes the colours, the places, or, as identity alone does, nothing."""
    identity = torch.eye(3)
    for number, name in enumerate(NAMES):
        moves = not torch.equal(
            Policy(POLICIES["trivialaugment"].limits, 1).maps(
                torch.tensor([[number]]), torch.tensor([[0.3]])
            )[0],
            identity,
        )
        assert moves + (name in _COLOURS) == (name != "identity"), name
