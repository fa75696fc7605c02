"""How many groups (patients, slides) a test needs, from the variance between the groups of a pilot."""
