"""The container images: what they are made of, and how they are made. `python -m infra.images`."""

from .sources import Sources, source_zip

__all__ = ["Sources", "source_zip"]
