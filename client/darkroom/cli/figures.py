"""Figures of an epoch in a line."""

from typing import TYPE_CHECKING

from .output import figure

if TYPE_CHECKING:
    from ..models import Metrics


def epoch(metrics: "Metrics") -> str:
    """What an epoch, or the one in progress, has come to."""
    figures = [
        ("train loss", figure(metrics.train_loss)),
        ("loss", figure(metrics.val_loss)),
        ("accuracy", figure(metrics.val_accuracy)),
        ("images/s", f"{metrics.images_per_second:.0f}" if metrics.images_per_second else None),
    ]
    shown = [f"{name} {value}" for name, value in figures if value is not None]
    # Before the first epoch has ended there is nothing but its speed.
    named = metrics.epoch or metrics.val_loss is not None
    return "  ".join([*([name_of(metrics)] if named else []), *shown])


def name_of(metrics: "Metrics") -> str:
    """An epoch's name: the 0th is the head alone."""
    return f"epoch {metrics.epoch}" if metrics.epoch else "head"
