"""MLflow tracking: one run for every execution of a stage.

Results are never stored only in MLflow, so that a failure of MLflow costs only a warning and a few seconds.
"""
