"""Audit of a dataset: leaks between splits, random labels that can be learnt, and shortcuts."""
