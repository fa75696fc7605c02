"""cytopipe: a reproducible pipeline for microscope images of cells."""

__version__ = "0.1.0"
