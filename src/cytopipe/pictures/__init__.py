"""Pictures of predictions, one file an image."""
