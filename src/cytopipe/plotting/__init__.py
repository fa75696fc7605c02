"""Figures as byte-stable PNGs, drawn from tables."""
