"""The package, and what it needs to run: environments below build/, made once."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.package import Package, build
from infra.package.interpreters import python_of
from infra.package.target import PYTHON
from infra.packaged.environments import environment
from infra.packaged.stack import PackagedStack, packaged_stack
from tests.e2e.conftest import Up

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "build" / "environments"
PRESENT = f"{sys.version_info.major}.{sys.version_info.minor}"


def pytest_report_header() -> str:
    """Says on which Python the functions run."""
    if python_of(PYTHON):
        return f"the package is Lambda's own, and runs on Python {PYTHON}"
    return (
        f"no Python {PYTHON} here: the package is made anew for Python {PRESENT}, and is NOT the one deployed"
    )


@dataclass(frozen=True)
class Runtime:
    """Attributes:
    version: of Python; Lambda's, or the present one where Lambda's isn't here.
    python: an interpreter of that version, with what Lambda's runtime has.
    """

    version: str
    python: Path


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    found = python_of(PYTHON)
    version = PYTHON if found else PRESENT
    folder = ENVIRONMENTS / f"lambda-{version}"
    return Runtime(version, environment("lambda", folder, found or sys.executable))


@pytest.fixture(scope="session")
def translator() -> Path:
    """An interpreter that has AWS's translator of serverless templates."""
    return environment("sam", ENVIRONMENTS / "sam")


@pytest.fixture(scope="session")
def package(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """What `make package` makes, for the Python that runs it here."""
    return build(tmp_path_factory.mktemp("package"), region="us-east-1", python=runtime.version)


@pytest.fixture(scope="session")
def packaged(
    package: Package, runtime: Runtime, translator: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PackagedStack]:
    """The package on the embedded AWS."""
    folder = tmp_path_factory.mktemp("packaged")
    with packaged_stack(package, folder, python=runtime.python, translator=translator) as stack:
        yield stack


@pytest.fixture(scope="session")
def up(packaged: PackagedStack) -> Up:
    """The packaged stack as the end-to-end tests know a stack."""
    return Up(packaged.url, os.getpid())
