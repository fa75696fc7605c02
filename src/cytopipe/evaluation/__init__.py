"""Metrics, intervals, plots, comparison and the regression gate."""
