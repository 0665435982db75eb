"""Trained models outside of a study: a folder that anyone can load, the hub, and continued texts."""

from asura.pretrained.loading import from_pretrained

__all__ = ["from_pretrained"]
