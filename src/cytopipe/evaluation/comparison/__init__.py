"""Classifiers side by side, on the same test images."""
