"""From the sources to a zip and a template."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from . import archive
from .checks import FUNCTIONS, OURS, PREDICTOR, PREDICTOR_SOURCES, Kind, Zip, problems
from .compiled import Files, compiled
from .dependencies import PREDICTOR_LOCK, Recorded, install, recorded
from .errors import PackageError
from .interpreters import python_of
from .target import PYTHON, Target
from .template import INFRA, NO_ROLE, finished, to_merge
from .trim import trim

ROOT = INFRA.parent
ZIP = FUNCTIONS.name
TEMPLATE = "template.json"
#: What it means that there is no Python of the target's version here.
UNCOMPILED = "a cold start takes about twice as long; `uv python install` or pyenv get one"


@dataclass(frozen=True, slots=True)
class Zipped:
    """A zip, and its SHA-256 in hexadecimal digits."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        return cls(path, sha256(path.read_bytes()).hexdigest())


@dataclass(frozen=True, slots=True)
class Package:
    """What is deployed.

    Attributes:
        zip: the code of all functions but the predictor.
        template: of the whole stage; its functions have their code at `./deployment.zip`, the predictor at
            `./predictor.zip`.
        sha256: of the zip, in hexadecimal digits.
        is_compiled: whether it has its modules compiled too, which takes a Python of the target's version.
        predictor: the predictor's code.
    """

    zip: Path
    template: Path
    sha256: str
    is_compiled: bool
    predictor: Zipped


def build(out: Path, *, region: str, architecture: str = "x86_64", python: str = PYTHON) -> Package:
    """Makes the package in a folder; the same sources give the same bytes.

    Args:
        out: the folder, which is made; what an earlier build left there is replaced.
        region: where it is to be deployed.
        architecture: Lambda's name of the processor: x86_64 or arm64.
        python: another version than Lambda's, to run the functions here.

    Raises:
        PackageError: there are no such wheels, the templates contradict each other, or a zip must not
            be deployed; with a sentence for each reason. Nothing is left in the folder then.
        ValueError: Lambda has no such processor.
    """
    target = Target(python, architecture)
    out.mkdir(parents=True, exist_ok=True)
    for name in (ZIP, PREDICTOR.name, TEMPLATE):
        (out / name).unlink(missing_ok=True)
    with TemporaryDirectory(prefix="darkroom-package-") as folder:
        stage, other = Path(folder) / "functions", Path(folder) / "predictor"
        stage.mkdir()
        wheels = _stage(stage, target)
        template = finished(_chalice_package(stage, region), target)
        is_compiled = _write(FUNCTIONS, archive.read(stage / "out" / ZIP), wheels, target, stage)
        _write(PREDICTOR, *_predictor(other, target), target, other)
        for made in (stage / ZIP, other / PREDICTOR.name):
            shutil.copyfile(made, out / made.name)
        (out / TEMPLATE).write_text(json.dumps(template, indent=1, sort_keys=True) + "\n")
    functions, predictor = Zipped.of(out / ZIP), Zipped.of(out / PREDICTOR.name)
    return Package(functions.path, out / TEMPLATE, functions.sha256, is_compiled, predictor)


def _write(kind: Kind, files: Files, wheels: Recorded, target: Target, folder: Path) -> bool:
    """Writes a zip into a folder, and checks it; whether it has its modules compiled too."""
    interpreter = python_of(target.python)
    more = compiled(files, interpreter, folder / "compiled") if interpreter else []
    path = folder / kind.name
    archive.write(path, files + more)
    found = problems(Zip(path.stat().st_size, dict(archive.read(path)), wheels, target, kind))
    if found:
        raise PackageError(found)
    return bool(more)


def _predictor(folder: Path, target: Target) -> tuple[Files, Recorded]:
    """The predictor's files: our code, and its packages beside it."""
    packages = folder / "packages"
    install(target, packages, PREDICTOR_LOCK)
    wheels = recorded(packages, target)
    trim(packages)
    brought = [(path.relative_to(packages), path) for path in packages.rglob("*")]
    own = [(path.relative_to(ROOT), path) for path in _predictor_sources()]
    return [(name.as_posix(), path.read_bytes()) for name, path in brought + own if path.is_file()], wheels


def _predictor_sources() -> Iterator[Path]:
    for name in PREDICTOR_SOURCES:
        yield from (ROOT / name).rglob("*.py") if name.endswith("/") else (ROOT / name,)


def _stage(stage: Path, target: Target) -> Recorded:
    """Lays out a Chalice project: our code, and the packages in vendor/, which Chalice takes as they are."""
    shutil.copy(ROOT / "app.py", stage)
    for kind in OURS:
        for file in (ROOT / "chalicelib").rglob(f"*{kind}"):
            copy = stage / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    vendor = stage / "vendor"
    install(target, vendor)
    wheels = recorded(vendor, target)
    trim(vendor)
    (stage / "requirements.txt").touch()  # else Chalice would build for this machine
    (stage / "merge.json").write_text(json.dumps(to_merge(INFRA / "template.yaml", INFRA / "functions.yaml")))
    configuration = json.loads((ROOT / ".chalice" / "config.json").read_text())
    configuration |= {"manage_iam_role": False, "iam_role_arn": NO_ROLE}
    (stage / ".chalice").mkdir()
    (stage / ".chalice" / "config.json").write_text(json.dumps(configuration))
    return wheels


def _chalice_package(stage: Path, region: str) -> dict[str, Any]:
    chalice = [sys.executable, "-c", "from chalice.cli import main; main()", "package"]
    done = subprocess.run(
        [*chalice, "--template-format", "json", "--merge-template", "merge.json", "out"],
        cwd=stage,
        env=os.environ | {"AWS_DEFAULT_REGION": region, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PackageError([f"chalice package: {line}" for line in done.stderr.strip().splitlines()[-1:]])
    template: dict[str, Any] = json.loads((stage / "out" / "sam.json").read_text())
    return template
