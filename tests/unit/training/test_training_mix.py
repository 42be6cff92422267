import numpy as np
import pytest
import torch
from tiny import make_config

from training_job.mix import Mix, draw_mix


def drawn(count: int = 200, **parameters: float) -> list[Mix]:
    config = make_config(**parameters)
    return [draw_mix(config, np.random.default_rng(seed)) for seed in range(count)]


def test_mixup_is_with_the_next_image() -> None:
    """Each image is its own by its share and the next one's by the rest; the last is mixed with the first."""
    images = torch.rand(5, 3, 4, 4)
    mixed = Mix(0.7).apply(images)
    torch.testing.assert_close(mixed, 0.7 * images + 0.3 * images[[1, 2, 3, 4, 0]])


def test_cutmix_takes_a_box_of_the_next_image() -> None:
    """Inside the box are the next image's pixels, outside its own, and the share is the area outside."""
    [mix] = drawn(1, cutmix=1.0)
    images = torch.rand(3, 3, 32, 32)
    mixed = mix.apply(images.clone())
    (top, left, side), inside = mix.box, torch.zeros(32, 32, dtype=torch.bool)
    inside[top : top + side, left : left + side] = True
    assert torch.equal(mixed[:, :, inside], images[[1, 2, 0]][:, :, inside])
    assert torch.equal(mixed[:, :, ~inside], images[:, :, ~inside])
    assert mix.share == pytest.approx(float((~inside).float().mean()))


def test_nothing_is_mixed_unless_asked_for() -> None:
    """Without alphas the images are handed on as they are."""
    images = torch.rand(2, 3, 4, 4)
    assert {mix.share for mix in drawn(5)} == {1.0}
    assert Mix().apply(images) is images


@pytest.mark.parametrize(
    ("parameters", "least", "most"),
    [({"mixup": 0.5}, 0, 0), ({"cutmix": 1.0}, 1, 1), ({"mixup": 0.5, "cutmix": 1.0}, 0.4, 0.6)],
)
def test_both_alphas_share_the_batches(parameters: dict[str, float], least: float, most: float) -> None:
    """A batch is mixed in one way; where both are asked for, about half of the batches in each."""
    mixes = drawn(**parameters)
    cut = sum(mix.box is not None for mix in mixes) / len(mixes)
    assert least <= cut <= most
    assert all(0.5 <= mix.share <= 1 for mix in mixes)
