"""`python -m infra.images prove`: the images, built where there is no registry and no docker, train.

By hand only, as root: it takes 25 GB of disk at its peak, and about fifteen minutes. debootstrap makes the
base, buildah builds both images on it by chroot, and the demo's 600 digits go through an embedded AWS to a
training that runs in the image: as its user, with its files read-only, and with tini as process 1.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from infra.local.aws import REGION
from infra.local.batch import Runner
from infra.local.container import Container
from infra.local.jobs import Job
from infra.local.stack import running_stack

from .base import debian_base
from .build import ImageError, Wanted, build
from .buildah import Buildah
from .jail import jailed

_BASE = "localhost/darkroom-base:debian"
#: Packages to show, of the largest.
_LARGEST = 8
#: What a job ends with that SIGTERM ended: tini passes the signal on, and the exit code back.
_TERMINATED = 128 + signal.SIGTERM
#: What holds in an image that runs; the first that doesn't ends it.
_CHECKS = """
never() { if "$@" 2>/dev/null; then echo "this must fail: $*" >&2; exit 1; fi; }
test "$(id -u)" = 10001
test "$(cat /proc/1/comm)" = tini
never touch /app/written
never touch /opt/venv/written
touch "$TMPDIR/written"
never command -v gcc
never command -v cc
never command -v make
never command -v pip
never python -m pip --version
test -z "$(find /opt/venv -type d -name tests -print -quit)"
"""
#: Every module of a program, and so every package that it names: one that was pruned too far says so.
_IMPORTS = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
"""


class JailRunner(Runner):
    """Runs jobs in an image.

    Args:
        root: its files.
        configuration: `config` of the OCI image specification.
        variables: what a container gets beside the job's own.
        log_folder: where the output goes.
    """

    def __init__(
        self, root: Path, configuration: Mapping[str, Any], variables: Mapping[str, str], log_folder: Path
    ) -> None:
        super().__init__({}, log_folder)
        self._root, self._configuration, self._variables = root, configuration, variables

    def _start(self, job: Job, disk: Path, log: Path) -> Container:
        variables = {**self._variables, **job.container_environment()}
        command = jailed(self._root, self._configuration, job.command(), variables, disk)
        return Container(command, os.environ, disk, log, grace_seconds=30)


def prove(storage: Path, base: str | None, console: Console) -> bool:
    """Builds, checks, trains; whether the training completed.

    Args:
        storage: folder of buildah's images, which are left there.
        base: a base image that is there already; None makes one.

    Raises:
        ImageError: an image was not built, or is not what it should be.
        subprocess.CalledProcessError: the base could not be made.
    """
    buildah = Buildah(storage.resolve())
    if base is None:
        base = _BASE
        debian_base(buildah, base)
    names = [build(_wanted(which, base), "buildah", buildah) for which in ("data", "training")]
    for name in names:
        _show(buildah, name, console)
        _check(buildah, name)
    return _train(buildah, names[-1], console)


def _wanted(which: Any, base: str) -> Wanted:
    # Torchvision's server isn't a package index: mobilenet_v2 comes in a package.
    return Wanted.of_checkout(which, base, weights="")


def _show(buildah: Buildah, name: str, console: Console) -> None:
    """What lies where, in MiB."""
    with buildah.mounted(name) as root:
        console.print(f"[bold]{name}[/]")
        [packages] = root.glob("opt/venv/lib/python3*/site-packages")
        largest = sorted(packages.iterdir(), key=_mebibytes, reverse=True)[:_LARGEST]
        for path in [root, root / "opt/venv", root / "opt/torch", root / "app", *largest]:
            if path.exists():
                console.print(f"{_mebibytes(path):8.1f} MiB  {str(path).removeprefix(str(root)) or '/'}")


def _mebibytes(path: Path) -> float:
    """Of the disk, with everything below it; two names of one file count once."""
    measured = subprocess.run(["du", "-s", "-B1", str(path)], check=True, capture_output=True, text=True)
    return int(measured.stdout.split()[0]) / (1 << 20)


@contextmanager
def _image(buildah: Buildah, name: str) -> Iterator[tuple[Path, dict[str, Any], Path]]:
    """An image's files and configuration, and an empty folder."""
    with buildah.mounted(name) as root, TemporaryDirectory(prefix="darkroom-proof-") as folder:
        yield root, buildah.configuration(name), Path(folder)


def _check(buildah: Buildah, name: str) -> None:
    with _image(buildah, name) as (root, configuration, scratch):
        _run(jailed(root, configuration, ["sh", "-euc", _CHECKS], {}, scratch))
        imports = ["python", "-c", _IMPORTS, configuration["Cmd"][-1]]
        _run(jailed(root, configuration, imports, {}, scratch))
        terminated = ["sh", "-c", "kill -TERM 1; sleep 60"]
        _run(jailed(root, configuration, terminated, {}, scratch), code=_TERMINATED)


def _run(command: list[str], code: int = 0) -> None:
    found = subprocess.run(command).returncode
    if found != code:
        raise ImageError(f"A check of the image ended with {found}, and not with {code}: see above.")


def _train(buildah: Buildah, name: str, console: Console) -> bool:
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    from app import app
    from examples.digits import run_main_job
    from examples.http import Client

    with _image(buildah, name) as (root, configuration, logs):
        # What the functions print is for CloudWatch.
        with (
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere),
            running_stack(app, log_folder=logs) as stack,
            closing(JailRunner(root, configuration, stack.aws.credentials, logs)) as runner,
        ):
            runner.attach(stack.aws.outputs["JobQueue"], REGION)
            completed = run_main_job(Client(stack.url), console, pretrained=True)
        for log in sorted(logs.glob("*.log")):
            console.print(log.read_text(), markup=False)
    return completed
