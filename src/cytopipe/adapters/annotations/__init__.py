"""Annotations of other programs: a reader for each format, and the cells that they outline."""
