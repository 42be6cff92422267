"""buildah, where there is no docker: images without a daemon, and here without privileges of containers."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Buildah:
    """The command.

    Attributes:
        storage: folder of images and containers; None is buildah's own place.
    """

    storage: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """What is to be run for `buildah ARGUMENTS`."""
        own = self.storage and ["--root", f"{self.storage}/images", "--runroot", f"{self.storage}/run"]
        return ["buildah", *(own or []), *arguments]

    def build(self, options: Sequence[str], context: Path) -> None:
        """Builds by chroot alone: no namespace of a container's, so that it works inside of one, too."""
        self.run("build", "--isolation", "chroot", *options, str(context))

    def run(self, *arguments: str) -> None:
        """Runs a command whose output goes to the terminal.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        subprocess.run(self.command(*arguments), check=True)

    def read(self, *arguments: str) -> str:
        """The output of a command, without white space around it.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        output = subprocess.run(self.command(*arguments), check=True, stdout=subprocess.PIPE, text=True)
        return output.stdout.strip()

    def configuration(self, image: str) -> dict[str, Any]:
        """What the image says of itself: `config` of the OCI image specification."""
        found: dict[str, Any] = json.loads(self.read("inspect", "--type", "image", image))["OCIv1"]["config"]
        return found

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The image's files, in a container that goes when the context ends."""
        container = self.read("from", "--pull-never", image)
        try:
            yield Path(self.read("mount", container))
        finally:
            self.run("rm", container)
