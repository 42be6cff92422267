"""An image from this checkout, by docker or by buildah, whichever there is."""

import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from .buildah import Buildah
from .sources import ROOT, source_tag

Which = Literal["training", "data"]
BuilderName = Literal["docker", "buildah"]


class ImageError(Exception):
    """An image can't be built: what is missing, and how to get it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image to build.

    Attributes:
        which: the program in it.
        tag: names it `darkroom-<which>:<tag>`.
        base: the base image; None is the one that the Dockerfile pins.
        weights: architectures that can start pretrained, as the Dockerfile takes them; None is its own list.
    """

    which: Which
    tag: str
    base: str | None = None
    weights: str | None = None

    @classmethod
    def of_checkout(cls, which: Which, base: str | None = None, weights: str | None = None) -> "Wanted":
        """Tagged by the sources' content, and by what is chosen: as a deployment with the same choices."""
        return cls(which=which, tag=source_tag(chosen=_chosen(base, weights)), base=base, weights=weights)

    @property
    def name(self) -> str:
        return f"darkroom-{self.which}:{self.tag}"

    def options(self) -> list[str]:
        """Of `docker build` and `buildah build` alike."""
        weights = self.weights if self.which == "training" else None
        arguments = {"VERSION": self.tag, "REVISION": _revision(), **_chosen(self.base, weights)}
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        return ["--file", str(ROOT / f"{self.which}_job" / "Dockerfile"), "--tag", self.name, *given]


def _chosen(base: str | None, weights: str | None) -> dict[str, str]:
    """Arguments of the Dockerfiles."""
    return ({"BASE_IMAGE": base} if base else {}) | ({} if weights is None else {"WEIGHTS": weights})


def build(wanted: Wanted, builder: BuilderName | None = None, buildah: Buildah | None = None) -> str:
    """Builds an image and returns its name.

    Args:
        builder: by default docker where its daemon answers, else buildah.
        buildah: where its images are kept.

    Raises:
        ImageError: there is no builder, or it failed; its own output says why.
    """
    try:
        if (builder or available_builder()) == "docker":
            subprocess.run(["docker", "build", *wanted.options(), str(ROOT)], check=True)
        else:
            # Without --layers, each step that didn't change would run again.
            (buildah or Buildah()).build(["--layers", *wanted.options()], ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageError(f"{wanted.name} was not built: {error}") from error
    return wanted.name


def available_builder() -> BuilderName:
    """What this machine can build with.

    Raises:
        ImageError: with nothing.
    """
    if shutil.which("docker") and _answers(["docker", "info"]):
        return "docker"
    if shutil.which("buildah"):
        return "buildah"
    raise ImageError(
        "Neither a docker daemon nor buildah is here. Install one (apt-get install buildah), or let "
        "CodeBuild build: make deploy does."
    )


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _revision() -> str:
    """The commit, with a mark where the checkout isn't it; `unknown` outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
