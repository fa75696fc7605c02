"""Looks into a folder or archive of images before anything runs: what is there, and which parameters fit it."""
