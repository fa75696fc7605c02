"""Metrics as pure functions of arrays: classification, segmentation, detection, calibration, comparison."""
