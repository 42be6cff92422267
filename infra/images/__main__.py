"""`python -m infra.images`: the images' sources, the images, and the proof that they train."""

import argparse
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from .build import ImageError, Wanted, Which, build
from .sources import ROOT, source_zip

_FOLDER = ROOT / "build" / "images"


def main() -> int:
    options = _options()
    try:
        return _COMMANDS[options.command](options)
    except (ImageError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed with {error.returncode}: see above", file=sys.stderr)
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sources = commands.add_parser("sources", help="write the zip that CodeBuild builds of")
    sources.add_argument("--folder", type=Path, default=_FOLDER, help="where to")
    made = commands.add_parser("build", help="build the images here")
    made.add_argument("--which", choices=["training", "data"], help="by default both")
    made.add_argument("--builder", choices=["docker", "buildah"], help="by default what there is")
    made.add_argument("--base-image", help="by default the one that the Dockerfile pins")
    made.add_argument("--weights", help="architectures that can start pretrained; all is 1.3 GB")
    proof = commands.add_parser("prove", help="build with buildah on a base made here, and train; root only")
    proof.add_argument("--storage", type=Path, default=_FOLDER / "storage", help="of buildah's images")
    proof.add_argument("--base-image", help="one that is in the storage already")
    return parser.parse_args()


def _sources(options: argparse.Namespace) -> int:
    sources = source_zip(options.folder)
    print(f"{sources.path} {sources.tag}")
    return 0


def _build(options: argparse.Namespace) -> int:
    both: list[Which] = ["data", "training"]
    for which in [options.which] if options.which else both:
        wanted = Wanted.of_checkout(which, options.base_image, options.weights)
        print(build(wanted, options.builder))
    return 0


def _prove(options: argparse.Namespace) -> int:
    from .proof import prove  # the embedded AWS, which the other commands don't need

    console = Console(file=sys.stdout, highlight=False)
    return 0 if prove(options.storage, options.base_image, console) else 1


_COMMANDS = {"sources": _sources, "build": _build, "prove": _prove}

if __name__ == "__main__":
    sys.exit(main())
