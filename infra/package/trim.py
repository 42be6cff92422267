"""What wheels bring that no function loads: `make test-package` runs the functions without it."""

import shutil
from pathlib import Path

from .dependencies import is_binary
from .elf import SharedObject

#: Folders and files by pattern, below the folder of the packages.
UNUSED = (
    "*.dist-info",  # nothing looks for versions or plug-ins, and pydantic searches all of them when it starts
    "bin",
    "**/__pycache__",
    "**/tests",
    "annotated_types/test_cases.py",
    "**/*.pyi",
    "**/py.typed",
    "**/*.c",
    "**/*.h",
    # Formats and features of Pillow that chalicelib/adapters/pictures.py does not open or use.
    "PIL/_avif.*",
    "PIL/_imagingcms.*",
    "PIL/_imagingft.*",
    "PIL/_imagingtk.*",
    # Of cffi, compiled bindings load _cffi_backend alone; the rest, and its C parser, compiles them.
    "cffi",
    "pycparser",
    # Lambda's boto3 brings its own, and compiled, which this one would hide.
    "jmespath",
    # Powertools is here for its logger and its metrics; routing is Chalice's.
    "aws_lambda_powertools/event_handler",
    # Of ONNX Runtime, sessions alone; models are made elsewhere, and nothing else needs protobuf.
    *(f"onnxruntime/{name}" for name in ("backend", "datasets", "quantization", "tools", "transformers")),
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C; the module has it inside
    "flatbuffers",
    "google",
    "packaging",
    "numpy/f2py",
    "numpy/testing",
    "numpy/_pyinstaller",
    "numpy/conftest.py",
    "**/*.a",
    "**/*.pxd",
)


def trim(packages: Path) -> None:
    """Removes what is unused, and then the libraries that nothing is left to load."""
    for path in [path for pattern in UNUSED for path in packages.glob(pattern)]:
        _remove(path)
    for path in _unreached(packages):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unreached(packages: Path) -> list[Path]:
    """Libraries, which wheels keep in `<name>.libs`, that no module loads, nor what it loads."""
    objects = {path.name: path for path in packages.rglob("*") if path.is_file() and is_binary(path.name)}
    libraries = {name: path for name, path in objects.items() if path.parent.suffix == ".libs"}
    reached: set[str] = set()
    ahead = list(objects.keys() - libraries.keys())
    while ahead:
        content = objects[ahead.pop()].read_bytes()
        new = (set(SharedObject.read(content).needed) & libraries.keys()) - reached
        reached |= new
        ahead += new
    return [path for name, path in libraries.items() if name not in reached]
