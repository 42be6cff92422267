"""Darkroom's Python client: from a folder of images to a model.

with Client.login("http://127.0.0.1:8000", "ann", password) as client:
    project = client.create_project("pets")
    project.upload("pets", labels="folders")
    run = project.train(epochs=20).wait()
    print(run.results().accuracy)
    run.download("onnx")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client as Client
    from .errors import DarkroomError as DarkroomError
    from .project import Project as Project
    from .run import Run as Run

__version__ = "0.1.0"
__all__ = ["Client", "DarkroomError", "Project", "Run", "__version__"]

_PLACES = {"Client": "client", "DarkroomError": "errors", "Project": "project", "Run": "run"}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, when it is: `darkroom --help` needs no HTTP."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
