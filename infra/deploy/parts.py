"""What the other folders of infra/ make for a deployment, so that tests can hand in something smaller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import FailedError
from .stage import STAGES

ROOT = Path(__file__).parents[2]


class Zipped(Protocol):
    """infra.package's: a zip, and its SHA-256."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str: ...


class Package(Protocol):
    """infra.package's: the functions' zips, the stack's template, and whether they are compiled."""

    @property
    def zip(self) -> Path: ...
    @property
    def template(self) -> Path: ...
    @property
    def sha256(self) -> str: ...
    @property
    def is_compiled(self) -> bool: ...
    @property
    def predictor(self) -> Zipped: ...


def described(package: Package) -> str:
    """Its size, and what is less good than it could be."""
    from infra.package import UNCOMPILED

    sizes = (path.stat().st_size / 1e6 for path in (package.zip, package.predictor.path))
    size = " and ".join(f"{each:.1f} MB" for each in sizes)
    return size if package.is_compiled else f"{size}, not compiled for want of Lambda's Python: {UNCOMPILED}"


class Sources(Protocol):
    """infra.images': a zip of what the images are built of, and the tag that they have."""

    @property
    def path(self) -> Path: ...
    @property
    def tag(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where a deployment gets its parts.

    Attributes:
        package: packages the functions for a region.
        sources: zips the sources of the images, which are built with certain arguments of the Dockerfiles.
        for_stage: what a stage with certain parameters makes of the template.
        stages: the folder of the stages' parameters.
    """

    package: Callable[[str], Package]
    sources: Callable[[Mapping[str, str]], Sources]
    for_stage: Callable[[Mapping[str, Any], Mapping[str, str]], Mapping[str, Any]]
    stages: Path = STAGES


def real(architecture: str) -> Parts:
    """The parts of this checkout, made below build/."""
    return Parts(
        package=lambda region: _package(region, architecture), sources=_sources, for_stage=_for_stage
    )


def _package(region: str, architecture: str) -> Package:
    from infra.package import PackageError, build

    try:
        return build(ROOT / "build" / "package", region=region, architecture=architecture)
    except PackageError as error:
        raise FailedError(
            f"The functions can't be packaged: {'; '.join(error.problems)}.", "make package"
        ) from error


def _sources(chosen: Mapping[str, str]) -> Sources:
    from infra.images import source_zip

    return source_zip(ROOT / "build" / "images", chosen=chosen)


def _for_stage(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Mapping[str, Any]:
    from infra.stages import for_stage

    return for_stage(template, parameters)
