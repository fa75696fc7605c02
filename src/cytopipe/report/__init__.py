"""The report, one self-contained HTML page with all results, and a card for every model and dataset."""
