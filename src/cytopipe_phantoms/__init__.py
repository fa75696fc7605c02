"""Phantoms: synthetic images of cells with known contours, written in the layouts of published datasets."""
