"""Loops that are compiled for the processor they run on, when they are first called; kept on disk."""

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.compiler import Compiler

# A product and a sum may become one instruction, and the sign of a zero is nobody's concern; nothing else
# of IEEE 754 is given up, so that NaN and infinity stay what they are.
_OPTIONS: dict[str, Any] = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "nogil": True}


class _Distinct(Compiler):
    """Takes arrays given as arguments not to overlap; without that few loops would use vectors."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags.noalias = True


def native(function: Callable[..., None]) -> Callable[..., None]:
    """A decorator; the arrays that the function writes must overlap no others."""
    compiled: Callable[..., None]
    try:
        compiled = njit(**_OPTIONS, pipeline_class=_Distinct, cache=True)(function)
    except RuntimeError:  # no folder to keep it in can be written
        compiled = njit(**_OPTIONS, pipeline_class=_Distinct)(function)
    return compiled
