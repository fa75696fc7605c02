"""MLflow tracking: one run for every execution of a stage.

MLflow is a view of the results, never their home: a fault of it costs one warning and a few seconds.
"""
