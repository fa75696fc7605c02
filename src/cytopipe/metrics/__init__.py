"""Pure functions of arrays: classification, segmentation, detection, calibration, comparison."""
