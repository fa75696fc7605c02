"""The test of a segmenter on images that it has never seen."""
