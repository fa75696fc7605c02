"""Whole slides: pyramids of any size, read by regions and screened tile by tile, in one process or in many."""
