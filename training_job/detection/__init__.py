"""Detectors: everything that a run on boxes does otherwise than one on classes."""

from .setup import set_up

__all__ = ["set_up"]
