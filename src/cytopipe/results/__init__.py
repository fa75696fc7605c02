"""The typed contracts: one frozen model for each file that one stage writes and another reads."""
