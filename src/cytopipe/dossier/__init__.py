"""`cytopipe dossier`: the checklists of a reporting guideline, each item filled from the files of a finished run."""
