# Snakemake runs this in the new environment, from the root of the project.
python -m pip install --quiet --no-deps --no-build-isolation --editable .
