"""The way back: what a person looks at next, and what she says of it, as corrections that the DAG reads."""
