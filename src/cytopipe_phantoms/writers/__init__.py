"""One writer per layout of a published dataset."""
