"""What the steps of an epoch came to, kept on the device: nothing here waits for a GPU but what says so."""

from typing import Any

import torch

from .group import Group
from .task import Step


class Tally:
    """The losses and hits of one epoch's steps.

    Args:
        steps: of an epoch.
        device: of the losses.

    Attributes:
        done: steps so far.
        images: of all processes, so far.
        seconds: that training took for them.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self.done = self.images = self._merged = 0
        self.seconds = 0.0
        self._losses = torch.zeros(steps, device=device)
        self._hits = torch.zeros(steps, dtype=torch.int64, device=device)
        self._totals = torch.zeros(steps, dtype=torch.int64)
        self._has_hits = True

    def add(self, step: Step) -> None:
        total = step.images if step.total is None else step.total
        self._losses[self.done] = step.loss.detach()
        self._totals[self.done] = total
        if step.hits is None:
            self._has_hits = False
        else:
            self._hits[self.done] = step.hits
        self.done += 1
        self.images += total

    def first_non_finite(self) -> int | None:
        """The first step, from 1, whose loss is infinite or no number. Waits for the GPU."""
        steps = (~self._losses[: self.done].isfinite()).nonzero()
        return int(steps[0]) + 1 if len(steps) else None

    def merge(self, group: Group) -> bool:
        """Brings the sums of all processes together in the writer. All of them call this.

        Returns:
            Whether there was anything new.
        """
        if self._merged == self.done:
            return False
        self._merged = self.done
        for each in (self._losses, self._hits):
            group.sum(each)
            if not group.writes:
                each.zero_()
        return True

    def means(self, group: Group) -> tuple[float, float | None]:
        """Loss and accuracy over the images of all processes. Waits for the GPU."""
        self.merge(group)
        losses, hits = (group.sum(each[: self.done].clone()).cpu() for each in (self._losses, self._hits))
        totals = self._totals[: self.done]
        images = int(totals.sum())
        accuracy = int(hits.sum()) / images if self._has_hits else None
        return float(losses.double() @ totals.double()) / images, accuracy

    def state_dict(self) -> dict[str, Any]:
        own = (self._losses, self._hits, self._totals)
        return {
            "images": self.images,
            "seconds": self.seconds,
            "has_hits": self._has_hits,
            "steps": [each[: self.done].cpu() for each in own],
        }

    def load_state_dict(self, state: dict[str, Any], steps: int, group: Group) -> None:
        """Goes on from there; the sums are the writer's.

        Args:
            steps: of an epoch, when the state was made. Where they aren't ours, this goes on at the same
                share of the epoch, and what came before it isn't counted.
        """
        theirs, own = state["steps"], (self._losses, self._hits, self._totals)
        self._has_hits = state["has_hits"]
        if steps != len(self._losses):
            self.done = min(len(theirs[0]) * len(self._losses) // steps, len(self._losses) - 1)
            return
        self.done = self._merged = len(theirs[0])
        self.images, self.seconds = state["images"], state["seconds"]
        self._totals[: self.done] = theirs[2]
        if group.writes:
            for mine, part in zip(own[:2], theirs[:2], strict=True):
                mine[: self.done] = part.to(mine.device)
