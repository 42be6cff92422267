"""`python -m infra.package`: makes deployment.zip, predictor.zip and template.json in build/package."""

import argparse
import os
import sys
from pathlib import Path

from .build import UNCOMPILED, build
from .errors import PackageError
from .target import PROCESSORS, PYTHON

_REGION = "us-east-1"


def main() -> int:
    options = _options()
    try:
        made = build(
            options.out, region=options.region, architecture=options.architecture, python=options.python
        )
    except PackageError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 1
    for path, digest in ((made.zip, made.sha256), (made.predictor.path, made.predictor.sha256)):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}")
    if not made.is_compiled:
        print(f"no Python {options.python} here, so it isn't compiled: {UNCOMPILED}", file=sys.stderr)
    print(f"{made.template}: python{options.python} on {options.architecture}, {options.region}")
    return 0


def _options() -> argparse.Namespace:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _REGION
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/package"), help="where the package goes")
    parser.add_argument("--region", default=region, help="where it is to be deployed")
    parser.add_argument("--architecture", choices=list(PROCESSORS), default="x86_64")
    parser.add_argument("--python", default=PYTHON, help="Lambda's version of Python; another to run it here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
