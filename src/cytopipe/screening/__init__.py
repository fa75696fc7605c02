"""Screening of whole fields of view: find every cell once and classify it."""
