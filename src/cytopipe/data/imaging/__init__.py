"""Pixels: decoding, masks, drawing, sliding windows."""
