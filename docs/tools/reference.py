"""The pages of the reference, made while MkDocs builds the documentation; none of them is a file in docs/.

MkDocs calls `on_config` and `on_files`. The page of params.yaml is made from its JSON schema, that of the commands from
typer, and those of the library, one for each package, from docstrings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

from cytopipe.cli import app
from cytopipe.core.params import schema

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "src/cytopipe"
GENERATOR = "cytopipe_phantoms"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the library in the navigation."""
    for section in config.nav or []:
        for entry in section.get("Reference", []):
            if "Library" in entry:
                entry["Library"] = [{name: page_of(name)} for name in packages()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {"reference/params.md": params_page(), "reference/commands.md": commands_page()}
    pages |= {page_of(name): library_page(name) for name in packages()}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def packages() -> list[str]:
    """The packages and the single modules of the library, then the generator of phantoms."""
    found = [path for path in LIBRARY.iterdir() if (path / "__init__.py").is_file() or path.suffix == ".py"]
    return [*sorted(f"cytopipe.{path.stem}" for path in found if path.stem != "__init__"), GENERATOR]


def page_of(package: str) -> str:
    """Path of a package's page below docs/."""
    return f"reference/library/{package.removeprefix('cytopipe.')}.md"


def library_page(package: str) -> str:
    """A page that mkdocstrings fills."""
    return f"# {package}\n\n::: {package}\n    options:\n      show_root_heading: false\n"


# params.yaml


def params_page() -> str:
    """A table of keys for each section of params.yaml."""
    whole = schema()
    parts = [
        "# params.yaml",
        "Every parameter, from the schema that the pipeline checks the file with. An unknown key is an error that "
        "names the nearest known one. Editors read the same schema from `workflow/schemas/params.schema.json`.",
        "## The file",
        *_section(whole),
    ]
    for name, section in sorted(whole["$defs"].items()):
        if "properties" in section:
            parts += [f"## {name}", *_section(section)]
    return "\n\n".join(parts) + "\n"


def _section(section: Mapping[str, Any]) -> Iterator[str]:
    if section.get("description"):
        yield section["description"].replace("\n", " ")
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = section.get("required", ())
    for name, value in section["properties"].items():
        default = "required" if name in required else f"`{_plain(value.get('default'))}`"
        meaning = value.get("description", "")
        if limits := _limits(value):
            meaning = f"{meaning} ({limits})" if meaning else limits
        rows.append(f"| `{name}` | {_type(value)} | {default} | {_cell(meaning)} |")
    yield "\n".join(rows)


def _type(value: Mapping[str, Any]) -> str:
    """The type of a value in words, with links to other sections."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{_plain(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{_plain(one)}`" for one in value["enum"])
    if choices := value.get("anyOf") or value.get("oneOf") or value.get("allOf"):
        return " or ".join(dict.fromkeys(_type(one) for one in choices))
    kind = value.get("type")
    if kind == "array":
        return f"list of {_type(value['items'])}" if "items" in value else "list"
    if kind == "object":
        named = list(value.get("patternProperties", {}).values())
        inner = named[0] if named else value.get("additionalProperties")
        return f"map of names to {_type(inner)}" if isinstance(inner, Mapping) else "map"
    return {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(str(kind), str(kind or "any"))


def _limits(value: Mapping[str, Any]) -> str:
    """The range of a number, also of one that may be left out."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    parts = [value, *value.get("anyOf", ())]
    return ", ".join(f"{sign} {part[key]}" for part in parts for key, sign in signs.items() if key in part)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return "{}" if isinstance(value, dict) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


# Commands


def commands_page() -> str:
    """A section for each command: its help, its arguments, its options."""
    group: Any = get_command(app)
    parts = ["# Commands", _prose(group.help), _prose(group.epilog)]
    for name, command in group.commands.items():
        parts += [f"## cytopipe {name}", _prose(command.help), *_parameters(command)]
        for inner, part in getattr(command, "commands", {}).items():
            parts += [f"### cytopipe {name} {inner}", _prose(part.help), *_parameters(part)]
    return "\n\n".join(parts) + "\n"


def _prose(text: str) -> str:
    """Help for a terminal as Markdown: a list of examples, introduced by a colon, is a block of code."""
    paragraphs = []
    for paragraph in text.replace("\b\n", "").split("\n\n"):
        head, _, examples = paragraph.partition("Examples:\n")
        if head.strip():
            paragraphs.append(" ".join(head.split()).replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_"))
        if examples:
            lines = "\n".join(line.strip() for line in examples.splitlines())
            paragraphs.append(f"```text\n{lines}\n```")
    return "\n\n".join(paragraphs)


def _parameters(command: Any) -> Iterator[str]:
    for kind, heading in (("argument", "argument"), ("option", "option")):
        params = [one for one in command.params if one.param_type_name == kind and not getattr(one, "hidden", False)]
        if params:
            rows = [f"| {heading} | meaning |", "|---|---|"]
            rows += [f"| {_name(one)} | {_cell(one.help or '')}{_default(one)} |" for one in params]
            yield "\n".join(rows)


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.metavar or param.name.upper()}`"
    names = ", ".join(f"`{one}`" for one in (*param.opts, *param.secondary_opts))
    return names if param.is_flag else f"{names} `{param.metavar or param.display_type}`".replace("|", "\\|")


def _default(param: Any) -> str:
    """The default of an option as its help shows it."""
    value = param.default
    if not param.show_default or isinstance(value, bool) or value in (None, ()):
        return ""
    shown = param.show_default if isinstance(param.show_default, str) else getattr(value, "value", value)
    return f" Default: `{shown}`."
