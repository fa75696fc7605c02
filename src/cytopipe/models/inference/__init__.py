"""Inference from model folders: masks and class probabilities of images, for every stage, command and the app."""
