"""One file per architecture; each registers its builders when it is imported."""
