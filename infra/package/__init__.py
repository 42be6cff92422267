"""The Lambda package: what `chalice package` makes, for Lambda and not for the machine it is made on."""

from .build import Package, build
from .errors import PackageError

__all__ = ["Package", "PackageError", "build"]
