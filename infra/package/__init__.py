"""The Lambda package: what `chalice package` makes, for Lambda and not for the machine it is made on."""

from .build import UNCOMPILED, Package, build
from .errors import PackageError

__all__ = ["UNCOMPILED", "Package", "PackageError", "build"]
