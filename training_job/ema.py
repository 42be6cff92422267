"""An exponential moving average of a model's weights, which often does better than any of them."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn


class Ema:
    """A second model with the average of the first one's weights over the steps so far.

    The running statistics of BatchNorm are averaged like the weights: those of the raw weights don't
    fit the averaged ones. What is no float, the count of batches, is copied.

    Args:
        decay: of the average, a step. In the first steps it is (1 + step) / (10 + step) where that is
            less, as in TensorFlow's ExponentialMovingAverage: else a short run's average would be
            what it began with.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self._decay, self._step = decay, 0
        # The tensors stay the same as long as the models do: they are looked up once, not once a step.
        own, raw = list(self.model.state_dict().values()), list(model.state_dict().values())
        self._floats = [each for each in own if each.is_floating_point()]
        self._raw_floats = [each for each in raw if each.is_floating_point()]
        self._others = [pair for pair in zip(own, raw, strict=True) if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """After a step of the optimizer."""
        self._step += 1
        decay = min(self._decay, (1 + self._step) / (10 + self._step))
        torch._foreach_lerp_(self._floats, self._raw_floats, 1 - decay)
        for average, value in self._others:
            average.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._step = state["step"]
