"""Contracts between stages: one frozen type for every file that one stage writes and another reads."""
