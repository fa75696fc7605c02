"""Classifiers as models of MLflow: logged where they are trained, the best of each dataset registered.

Nothing here imports torch before a model is loaded: `compare` runs without it.
"""
