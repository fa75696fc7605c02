"""The test of a classifier on images that it has never seen."""
