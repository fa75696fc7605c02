"""A finished project for the blocks of code."""

from engine_projects import finished

__all__ = ["finished"]
