"""Presets: complete parameter files in workflow/presets/, and how params.yaml is written from one of them."""
