"""The ground that every stage stands on: typed parameters, safe files, and the frame in which a stage runs."""
