"""Torch's compiler, left out of processes that have nothing to compile.

torchvision and torch's optimizers load it only to say what it must leave alone: 145 MB and 1.4 CPU
seconds of each run. Two modules that take these calls stand in for it (docs/adr/0032-memory.md). The
first look at anything else in them, or a GPU, brings the real ones.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_COMPILER, _UTILS = "torch._dynamo", "torch._dynamo.utils"


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        # Whoever goes through all modules, as `inspect` does, asks each for its file: that is no use of it.
        # To import a part of a package is to ask for its path.
        if name.startswith("__") and (self.__name__, name) != (_COMPILER, "__path__"):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def leave_compiler_out() -> None:
    """To be called before torchvision is imported; does nothing where the compiler is loaded already."""
    if _COMPILER in sys.modules:
        return
    compiler, utils = _StandIn(_COMPILER), _StandIn(_UTILS)
    vars(compiler).update(disable=_disable, graph_break=_graph_break, utils=utils)
    vars(utils).update(is_compile_supported=_is_compile_supported)
    sys.modules.update({_COMPILER: compiler, _UTILS: utils})


def _real(name: str) -> Any:
    for each in (_COMPILER, _UTILS):
        if isinstance(sys.modules.get(each), _StandIn):
            del sys.modules[each]
    return import_module(name)


def _disable(fn: Any = None, *arguments: Any, **options: Any) -> Any:
    """A function as it is, or a decorator that gives it: where nothing is compiled, this isn't either."""
    from torch import cuda

    if cuda.is_available():
        return _real(_COMPILER).disable(fn, *arguments, **options)
    return fn or (lambda each: each)


def _graph_break(*_: Any, **__: Any) -> None:
    """Says to a compiler where to stop."""


def _is_compile_supported(device: str) -> bool:
    supported: bool = _real(_UTILS).is_compile_supported(device)
    return supported
