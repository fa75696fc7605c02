"""Write the JSON schema of params.yaml, for completion and checks in editors: python workflow/export_schema.py."""

from __future__ import annotations

from pathlib import Path

from cytopipe.core.io.atomic import write_json
from cytopipe.core.params import schema
from cytopipe.paths import SCHEMA

if __name__ == "__main__":
    write_json(Path(__file__).resolve().parent.parent / SCHEMA, schema())
