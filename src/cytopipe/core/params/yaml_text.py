"""YAML that a stranger may have written: plain data only, of bounded depth and size, whatever its aliases expand to."""

from __future__ import annotations

from typing import Any

import yaml

DEEPEST = 50  # levels of lists and mappings
MOST_VALUES = 200_000  # each alias counted as all that it stands for
LARGEST_BITS = 1024  # of a whole number: as large as a float can be
LONGEST = 8 << 20  # characters
_PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))


class Loader(yaml.SafeLoader):
    """Makes plain data, and refuses a key that stands twice, of which YAML would silently take the last."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._measures: dict[yaml.Node, tuple[int, int]] = {}  # values and levels of each finished node

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node.

        Raises:
            ComposerError: it is too deep or too large, contains itself, or has a tag of other than plain data.
        """
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!" and tag not in _PLAIN:
            raise _fault(f"the tag '{tag}' is not taken: values are plain", event.start_mark)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _fault(f"values are nested more than {DEEPEST} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and not isinstance(event, yaml.AliasEvent):
            self._measure(node, event.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping. Its keys are looked at here, because merges (`<<`) put those of others among them later.

        Raises:
            ComposerError: a key stands twice, or is a list or a mapping.
        """
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _fault("a key must be one value", key.start_mark)
            if key.value in lines and key.tag != "tag:yaml.org,2002:merge":
                raise _fault(f"'{key.value}' stands twice, in lines {lines[key.value]} and {line}", key.start_mark)
            lines[key.value] = line
        return node

    def _measure(self, node: yaml.Node, mark: yaml.Mark) -> None:
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        if any(part not in self._measures for part in inner):
            raise _fault("a value contains itself", mark)
        values = 1 + sum(self._measures[part][0] for part in inner)
        levels = 1 + max((self._measures[part][1] for part in inner), default=0)
        if values > MOST_VALUES or levels > DEEPEST:
            raise _fault(f"with its aliases it holds more than {MOST_VALUES:,} values, or {DEEPEST} levels", mark)
        self._measures[node] = values, levels

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct a value.

        Raises:
            ConstructorError: it is no value of its kind, such as a date in month 13, or has thousands of digits.
        """
        try:
            found = super().construct_object(node, deep)
            if isinstance(found, int) and found.bit_length() > LARGEST_BITS:
                raise ValueError("the number has too many digits")
            return found
        except (ValueError, OverflowError, TypeError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


def load_yaml(text: str) -> Any:
    """Parse YAML into plain data.

    Raises:
        yaml.YAMLError: it is no YAML, or not plain, small and shallow; see `Loader`.
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"the file has more than {LONGEST:,} characters")
    return yaml.load(text, Loader)


def _fault(problem: str, mark: yaml.Mark) -> yaml.YAMLError:
    return yaml.composer.ComposerError(None, None, problem, mark)
