"""Whole fields of view: find the cells, each once, and classify them."""
