"""The loops of max pooling: maps are float32 (B, H, W, C), C-contiguous, places uint8 of an output's shape.

A place is the number of an output's input in its window, row by row. Of equals it is the first; a NaN
counts as more than anything, as in torch.
"""

from typing import Any

import numpy as np

from .native import native

Array = Any  # numba knows the arrays by their types

_ZERO = np.float32(0)


@native
def _challenge(x, number, best, place):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        is_more = x[i] > best[i] or x[i] != x[i]
        best[i] = x[i] if is_more else best[i]
        place[i] = number if is_more else place[i]


@native
def _add_where(y, place, number, x):  # type: ignore[no-untyped-def]
    for i in range(len(y)):
        x[i] += y[i] if place[i] == number else _ZERO


@native
def find(
    x: Array, size: int, stride: int, padding: int, y: Array, places: Array, first: int, last: int
) -> None:
    """The maxima `y` of the images from `first` to before `last`, and their places."""
    _, height, width, _ = x.shape
    for image in range(first, last):
        y[image] = -np.inf
        places[image] = 0
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                top, left = row * stride - padding, column * stride - padding
                for i in range(max(0, -top), min(size, height - top)):
                    for j in range(max(0, -left), min(size, width - left)):
                        _challenge(
                            x[image, top + i, left + j], np.uint8(i * size + j),
                            y[image, row, column], places[image, row, column],
                        )  # fmt: skip


@native
def give_back(
    y: Array, places: Array, size: int, stride: int, padding: int, x: Array, first: int, last: int
) -> None:
    """The gradient `x` of the inputs, from `y`, that of the maxima."""
    _, height, width, _ = x.shape
    for image in range(first, last):
        x[image] = 0
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                top, left = row * stride - padding, column * stride - padding
                for i in range(max(0, -top), min(size, height - top)):
                    for j in range(max(0, -left), min(size, width - left)):
                        _add_where(
                            y[image, row, column], places[image, row, column], np.uint8(i * size + j),
                            x[image, top + i, left + j],
                        )  # fmt: skip
