"""Attempts to prove the numbers wrong: leaks between splits, labels that noise predicts, and shortcuts."""
