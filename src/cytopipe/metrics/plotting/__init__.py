"""Figures drawn from tables, as PNG files whose bytes depend on the data alone."""
