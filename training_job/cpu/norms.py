"""Batch normalisation with the activation after it, over the memory as few times as can be.

Arrays are float32 and C-contiguous: maps as rows of (rows, width), in which every channel stands as
often as `width` holds it; a figure for each of the `width` columns. An activation is a clamp between
`low` and `high` (ReLU: 0 and infinity), or hard swish. A NaN stays one.
"""

from typing import Any

import numpy as np

from .native import native

Array = Any  # numba knows the arrays by their types

_ZERO, _ONE, _THREE = np.float32(0), np.float32(1), np.float32(3)
_THIRD, _HALF, _SIXTH = np.float32(1 / 3), np.float32(0.5), np.float32(1 / 6)
_BLOCK = 64  # rows whose sums are single precision


@native
def _add(part, total):  # type: ignore[no-untyped-def]
    for i in range(len(part)):
        total[i] += part[i]
        part[i] = _ZERO


@native
def _moments_of(x, shift, plain, square):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        d = x[i] - shift[i]
        plain[i] += d
        square[i] += d * d


@native
def moments(x: Array, shift: Array, plain: Array, square: Array, first: int, last: int) -> None:
    """Adds the sums of x - shift and of its square, over rows; `plain` and `square` are float64."""
    plain_part = np.zeros(x.shape[1], np.float32)
    square_part = np.zeros(x.shape[1], np.float32)
    for start in range(first, last, _BLOCK):
        for row in range(start, min(start + _BLOCK, last)):
            _moments_of(x[row], shift, plain_part, square_part)
        _add(plain_part, plain)
        _add(square_part, square)


@native
def _clamp(x, scale, offset, low, high, y):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        z = scale[i] * x[i] + offset[i]
        y[i] = low if z < low else high if z > high else z


@native
def _clamp_sum(x, scale, offset, skip, low, high, y):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        z = scale[i] * x[i] + offset[i] + skip[i]
        y[i] = low if z < low else high if z > high else z


@native
def _swish(x, scale, offset, y):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        z = scale[i] * x[i] + offset[i]
        gate = z + _THREE
        gate = _ZERO if gate < _ZERO else np.float32(6) if gate > np.float32(6) else gate
        y[i] = z * gate * _SIXTH


@native
def normalize(
    x: Array, skip: Array, scale: Array, offset: Array, low: float, high: float, swish: bool, y: Array,
    first: int, last: int,
) -> None:  # fmt: skip
    """y = activation(scale x + offset [+ skip]); an empty `skip` is none."""
    for row in range(first, last):
        if swish:
            _swish(x[row], scale, offset, y[row])
        elif len(skip):
            _clamp_sum(x[row], scale, offset, skip[row], low, high, y[row])
        else:
            _clamp(x[row], scale, offset, low, high, y[row])


@native
def _clamp_gradient(x, y_gradient, scale, offset, low, high, z_gradient):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        z = scale[i] * x[i] + offset[i]
        z_gradient[i] = _ZERO if z <= low or z >= high else y_gradient[i]


@native
def _swish_gradient(x, y_gradient, scale, offset, z_gradient):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        z = scale[i] * x[i] + offset[i]
        slope = z * _THIRD + _HALF
        slope = _ZERO if z < -_THREE else _ONE if z > _THREE else slope
        z_gradient[i] = y_gradient[i] * slope


@native
def _open_gradient(y, y_gradient, low, high, z_gradient):  # type: ignore[no-untyped-def]
    for i in range(len(y)):
        z_gradient[i] = _ZERO if y[i] <= low or y[i] >= high else y_gradient[i]


@native
def _gradient_sums(x, z_gradient, mean, plain, product):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        plain[i] += z_gradient[i]
        product[i] += z_gradient[i] * (x[i] - mean[i])


@native
def _x_gradient(x, z_gradient, mean, by, minus, slope, gradient):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        gradient[i] = by[i] * z_gradient[i] - minus[i] - slope[i] * (x[i] - mean[i])


@native
def gradient_sums(
    x: Array, y: Array, y_gradient: Array, scale: Array, offset: Array, low: float, high: float, swish: bool,
    mean: Array, plain: Array, product: Array, z_gradient: Array, first: int, last: int,
) -> None:  # fmt: skip
    """Adds the sums over rows of the gradient before the activation, and of it times x - mean.

    Where there was a `skip`, `y` tells what the activation let through and `z_gradient` is kept; both
    are empty otherwise.
    """
    width = x.shape[1]
    line = np.empty(width, np.float32)
    plain_part, product_part = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(first, last, _BLOCK):
        for row in range(start, min(start + _BLOCK, last)):
            target = z_gradient[row] if len(z_gradient) else line
            if len(y):
                _open_gradient(y[row], y_gradient[row], low, high, target)
            elif swish:
                _swish_gradient(x[row], y_gradient[row], scale, offset, target)
            else:
                _clamp_gradient(x[row], y_gradient[row], scale, offset, low, high, target)
            _gradient_sums(x[row], target, mean, plain_part, product_part)
        _add(plain_part, plain)
        _add(product_part, product)


@native
def x_gradient(
    x: Array, y_gradient: Array, scale: Array, offset: Array, low: float, high: float, swish: bool,
    is_inner: bool, mean: Array, minus: Array, slope: Array, gradient: Array, first: int, last: int,
) -> None:  # fmt: skip
    """gradient = scale g - minus - slope (x - mean), of the gradient g before the activation.

    Args:
        is_inner: whether `y_gradient` is that already.
    """
    line = np.empty(x.shape[1], np.float32)
    for row in range(first, last):
        if is_inner:
            _x_gradient(x[row], y_gradient[row], mean, scale, minus, slope, gradient[row])
            continue
        if swish:
            _swish_gradient(x[row], y_gradient[row], scale, offset, line)
        else:
            _clamp_gradient(x[row], y_gradient[row], scale, offset, low, high, line)
        _x_gradient(x[row], line, mean, scale, minus, slope, gradient[row])
