"""Features of images by encoders that are not trained here, and probes: small classifiers of these features."""
