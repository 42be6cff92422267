"""From the sources to a zip and a template."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import archive
from .checks import OURS, Zip, problems
from .compiled import compiled
from .dependencies import Recorded, install, recorded
from .errors import PackageError
from .interpreters import python_of
from .target import PYTHON, Target
from .template import INFRA, NO_ROLE, finished, to_merge
from .trim import trim

ROOT = INFRA.parent
ZIP = "deployment.zip"
TEMPLATE = "template.json"
#: What it means that there is no Python of the target's version here.
UNCOMPILED = "a cold start takes about twice as long; `uv python install` or pyenv get one"


@dataclass(frozen=True, slots=True)
class Package:
    """What is deployed.

    Attributes:
        zip: the code of all functions.
        template: of the whole stage; its functions have their code at `./deployment.zip`.
        sha256: of the zip, in hexadecimal digits.
        is_compiled: whether it has its modules compiled too, which takes a Python of the target's version.
    """

    zip: Path
    template: Path
    sha256: str
    is_compiled: bool


def build(out: Path, *, region: str, architecture: str = "x86_64", python: str = PYTHON) -> Package:
    """Makes the package in a folder; the same sources give the same bytes.

    Args:
        out: the folder, which is made; what an earlier build left there is replaced.
        region: where it is to be deployed.
        architecture: Lambda's name of the processor: x86_64 or arm64.
        python: another version than Lambda's, to run the functions here.

    Raises:
        PackageError: there are no such wheels, the templates contradict each other, or the zip must not
            be deployed; with a sentence for each reason. Nothing is left in the folder then.
        ValueError: Lambda has no such processor.
    """
    target = Target(python, architecture)
    out.mkdir(parents=True, exist_ok=True)
    for name in (ZIP, TEMPLATE):
        (out / name).unlink(missing_ok=True)
    with TemporaryDirectory(prefix="darkroom-package-") as folder:
        stage = Path(folder)
        wheels = _stage(stage, target)
        template = finished(_chalice_package(stage, region), target)
        content, interpreter = stage / ZIP, python_of(target.python)
        files = archive.read(stage / "out" / ZIP)
        more = compiled(files, interpreter, stage / "compiled") if interpreter else []
        archive.write(content, files + more)
        _check(content, wheels, target)
        shutil.copyfile(content, out / ZIP)
        (out / TEMPLATE).write_text(json.dumps(template, indent=1, sort_keys=True) + "\n")
    digest = sha256((out / ZIP).read_bytes()).hexdigest()
    return Package(out / ZIP, out / TEMPLATE, digest, is_compiled=bool(more))


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


def _check(path: Path, wheels: Recorded, target: Target) -> None:
    found = problems(Zip(path.stat().st_size, dict(archive.read(path)), wheels, target))
    if found:
        raise PackageError(found)
