"""Classifiers as MLflow models: logged when they are trained; the best one of each dataset is registered.

Nothing here imports torch before a model is loaded, because the stage `compare` runs without it.
"""
