"""Execution of a stage: parameters, inputs, locks, outputs and tracking."""
