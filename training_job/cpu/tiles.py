"""The transforms of Winograd's F(4 x 4, 3 x 3), and their adjoints, over maps in channels_last.

A map is cut into tiles of 4 x 4 outputs, each of 6 x 6 inputs. Along one axis a tile's outputs are
A'((G g) * (B' d)), of a kernel g and inputs d, with the matrices of Lavin and Gray, "Fast Algorithms
for Convolutional Neural Networks" (2016). Arrays are float32 and C-contiguous: maps (B, H, W, C),
transformed tiles (36, tiles, C), in the order of images, rows and columns; zeros lie around a map.
"""

from typing import Any

import numpy as np

from .native import native

Array = Any  # numba knows the arrays by their types

_TWO, _FOUR, _FIVE, _EIGHT = (np.float32(number) for number in (2, 4, 5, 8))
_QUARTER, _SIXTH, _12TH, _24TH = (np.float32(1 / number) for number in (4, 6, 12, 24))


@native
def _inputs(x0, x1, x2, x3, x4, x5, v0, v1, v2, v3, v4, v5):  # type: ignore[no-untyped-def]
    """B' d."""
    for i in range(len(v0)):
        v0[i] = _FOUR * x0[i] - _FIVE * x2[i] + x4[i]
        even, odd = x4[i] - _FOUR * x2[i], x3[i] - _FOUR * x1[i]
        v1[i], v2[i] = even + odd, even - odd
        even, odd = x4[i] - x2[i], _TWO * (x3[i] - x1[i])
        v3[i], v4[i] = even + odd, even - odd
        v5[i] = _FOUR * x1[i] - _FIVE * x3[i] + x5[i]


@native
def _add_inputs_adjoint(v0, v1, v2, v3, v4, v5, x0, x1, x2, x3, x4, x5):  # type: ignore[no-untyped-def]
    """B v, added."""
    for i in range(len(v0)):
        sum12, difference12 = v1[i] + v2[i], v1[i] - v2[i]
        sum34, difference34 = v3[i] + v4[i], v3[i] - v4[i]
        x0[i] += _FOUR * v0[i]
        x1[i] += _FOUR * (v5[i] - difference12) - _TWO * difference34
        x2[i] -= _FIVE * v0[i] + _FOUR * sum12 + sum34
        x3[i] += difference12 + _TWO * difference34 - _FIVE * v5[i]
        x4[i] += v0[i] + sum12 + sum34
        x5[i] += v5[i]


@native
def _outputs(m0, m1, m2, m3, m4, m5, y0, y1, y2, y3):  # type: ignore[no-untyped-def]
    """A' m."""
    for i in range(len(m0)):
        sum12, difference12 = m1[i] + m2[i], m1[i] - m2[i]
        sum34, difference34 = m3[i] + m4[i], m3[i] - m4[i]
        y0[i] = m0[i] + sum12 + sum34
        y1[i] = difference12 + _TWO * difference34
        y2[i] = sum12 + _FOUR * sum34
        y3[i] = difference12 + _EIGHT * difference34 + m5[i]


@native
def _outputs_adjoint(y0, y1, y2, y3, m0, m1, m2, m3, m4, m5):  # type: ignore[no-untyped-def]
    """A y."""
    for i in range(len(m0)):
        m0[i] = y0[i]
        even, odd = y0[i] + y2[i], y1[i] + y3[i]
        m1[i], m2[i] = even + odd, even - odd
        even, odd = y0[i] + _FOUR * y2[i], _TWO * y1[i] + _EIGHT * y3[i]
        m3[i], m4[i] = even + odd, even - odd
        m5[i] = y3[i]


@native
def _kernel(g0, g1, g2, u0, u1, u2, u3, u4, u5):  # type: ignore[no-untyped-def]
    """G g."""
    for i in range(len(u0)):
        u0[i] = _QUARTER * g0[i]
        even, odd = -_SIXTH * (g0[i] + g2[i]), -_SIXTH * g1[i]
        u1[i], u2[i] = even + odd, even - odd
        even, odd = _24TH * g0[i] + _SIXTH * g2[i], _12TH * g1[i]
        u3[i], u4[i] = even + odd, even - odd
        u5[i] = g2[i]


@native
def _kernel_adjoint(u0, u1, u2, u3, u4, u5, g0, g1, g2):  # type: ignore[no-untyped-def]
    """G' u."""
    for i in range(len(u0)):
        sum12, sum34 = _SIXTH * (u1[i] + u2[i]), u3[i] + u4[i]
        g0[i] = _QUARTER * u0[i] - sum12 + _24TH * sum34
        g1[i] = _12TH * (u3[i] - u4[i]) - _SIXTH * (u1[i] - u2[i])
        g2[i] = _SIXTH * sum34 - sum12 + u5[i]


@native
def inputs(x: Array, v: Array, first: int, last: int, start: int) -> None:
    """B' d B of the images from `first` to before `last`, in `v` from the tile `start` on."""
    _, height, width, channels = x.shape
    rows, columns, line = (height + 3) // 4, (width + 3) // 4, width * channels
    zeros = np.zeros(line, np.float32)
    strip = np.zeros((6, (4 * columns + 2) * channels), np.float32)
    body = strip[:, channels : channels + line]
    tile = start
    for image in range(first, last):
        maps = x[image].reshape(height, line)
        for row in range(rows):
            top = 4 * row - 1
            _inputs(
                maps[top] if top >= 0 else zeros,
                maps[top + 1],
                maps[top + 2] if top + 2 < height else zeros,
                maps[top + 3] if top + 3 < height else zeros,
                maps[top + 4] if top + 4 < height else zeros,
                maps[top + 5] if top + 5 < height else zeros,
                body[0], body[1], body[2], body[3], body[4], body[5],
            )  # fmt: skip
            for column in range(columns):
                for i in range(6):
                    d = strip[i, 4 * column * channels : (4 * column + 6) * channels].reshape(6, channels)
                    _inputs(
                        d[0], d[1], d[2], d[3], d[4], d[5],
                        v[6 * i, tile], v[6 * i + 1, tile], v[6 * i + 2, tile],
                        v[6 * i + 3, tile], v[6 * i + 4, tile], v[6 * i + 5, tile],
                    )  # fmt: skip
                tile += 1


@native
def inputs_adjoint(v: Array, x: Array, first: int, last: int, start: int) -> None:
    """B v B', the gradient of the inputs, from that of what `inputs` gives; tiles overlap and add up."""
    _, height, width, channels = x.shape
    rows, columns, line = (height + 3) // 4, (width + 3) // 4, width * channels
    beyond = np.zeros(line, np.float32)
    strip = np.zeros((6, (4 * columns + 2) * channels), np.float32)
    body = strip[:, channels : channels + line]
    tile = start
    for image in range(first, last):
        x[image] = 0
        maps = x[image].reshape(height, line)
        for row in range(rows):
            strip[:] = 0
            for column in range(columns):
                for i in range(6):
                    d = strip[i, 4 * column * channels : (4 * column + 6) * channels].reshape(6, channels)
                    _add_inputs_adjoint(
                        v[6 * i, tile], v[6 * i + 1, tile], v[6 * i + 2, tile],
                        v[6 * i + 3, tile], v[6 * i + 4, tile], v[6 * i + 5, tile],
                        d[0], d[1], d[2], d[3], d[4], d[5],
                    )  # fmt: skip
                tile += 1
            top = 4 * row - 1
            _add_inputs_adjoint(
                body[0], body[1], body[2], body[3], body[4], body[5],
                maps[top] if top >= 0 else beyond,
                maps[top + 1],
                maps[top + 2] if top + 2 < height else beyond,
                maps[top + 3] if top + 3 < height else beyond,
                maps[top + 4] if top + 4 < height else beyond,
                maps[top + 5] if top + 5 < height else beyond,
            )  # fmt: skip


@native
def outputs(m: Array, y: Array, first: int, last: int, start: int) -> None:
    """A' m A: the outputs of the images from `first` to before `last`, of `m` from the tile `start` on."""
    _, height, width, channels = y.shape
    rows, columns = (height + 3) // 4, (width + 3) // 4
    half = np.empty((4, 6, channels), np.float32)
    beyond = np.empty((3, channels), np.float32)
    tile = start
    for image in range(first, last):
        for row in range(rows):
            for column in range(columns):
                for j in range(6):
                    _outputs(
                        m[j, tile], m[6 + j, tile], m[12 + j, tile],
                        m[18 + j, tile], m[24 + j, tile], m[30 + j, tile],
                        half[0, j], half[1, j], half[2, j], half[3, j],
                    )  # fmt: skip
                left = 4 * column
                for i in range(min(4, height - 4 * row)):
                    line = y[image, 4 * row + i]
                    _outputs(
                        half[i, 0], half[i, 1], half[i, 2], half[i, 3], half[i, 4], half[i, 5],
                        line[left],
                        line[left + 1] if left + 1 < width else beyond[0],
                        line[left + 2] if left + 2 < width else beyond[1],
                        line[left + 3] if left + 3 < width else beyond[2],
                    )  # fmt: skip
                tile += 1


@native
def outputs_adjoint(y: Array, m: Array, first: int, last: int, start: int) -> None:
    """A y A': the gradient of what `outputs` takes, from that of the outputs."""
    _, height, width, channels = y.shape
    rows, columns = (height + 3) // 4, (width + 3) // 4
    half = np.zeros((4, 6, channels), np.float32)
    zeros = np.zeros(channels, np.float32)
    tile = start
    for image in range(first, last):
        for row in range(rows):
            for column in range(columns):
                left = 4 * column
                for i in range(4):
                    if 4 * row + i >= height:
                        half[i] = 0
                        continue
                    line = y[image, 4 * row + i]
                    _outputs_adjoint(
                        line[left],
                        line[left + 1] if left + 1 < width else zeros,
                        line[left + 2] if left + 2 < width else zeros,
                        line[left + 3] if left + 3 < width else zeros,
                        half[i, 0], half[i, 1], half[i, 2], half[i, 3], half[i, 4], half[i, 5],
                    )  # fmt: skip
                for j in range(6):
                    _outputs_adjoint(
                        half[0, j], half[1, j], half[2, j], half[3, j],
                        m[j, tile], m[6 + j, tile], m[12 + j, tile],
                        m[18 + j, tile], m[24 + j, tile], m[30 + j, tile],
                    )  # fmt: skip
                tile += 1


@native
def kernels(g: Array, u: Array) -> None:
    """G g G' of kernels (K, 3, 3, C), as (36, K, C)."""
    half = np.empty((6, 3, g.shape[3]), np.float32)
    for k in range(len(g)):
        for j in range(3):
            _kernel(
                g[k, 0, j], g[k, 1, j], g[k, 2, j],
                half[0, j], half[1, j], half[2, j], half[3, j], half[4, j], half[5, j],
            )  # fmt: skip
        for i in range(6):
            _kernel(
                half[i, 0], half[i, 1], half[i, 2],
                u[6 * i, k], u[6 * i + 1, k], u[6 * i + 2, k],
                u[6 * i + 3, k], u[6 * i + 4, k], u[6 * i + 5, k],
            )  # fmt: skip


@native
def kernels_adjoint(u: Array, g: Array) -> None:
    """G' u G: the gradient of the kernels, from that of what `kernels` gives."""
    half = np.empty((6, 3, g.shape[3]), np.float32)
    for k in range(len(g)):
        for i in range(6):
            _kernel_adjoint(
                u[6 * i, k], u[6 * i + 1, k], u[6 * i + 2, k],
                u[6 * i + 3, k], u[6 * i + 4, k], u[6 * i + 5, k],
                half[i, 0], half[i, 1], half[i, 2],
            )  # fmt: skip
        for j in range(3):
            _kernel_adjoint(
                half[0, j], half[1, j], half[2, j], half[3, j], half[4, j], half[5, j],
                g[k, 0, j], g[k, 1, j], g[k, 2, j],
            )  # fmt: skip
