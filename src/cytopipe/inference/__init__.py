"""The one inference engine: masks and classes of images, from model folders alone."""
