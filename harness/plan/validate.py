"""Plain data -> frozen structs, with every problem of a file at once.

msgspec stops at the first problem; a person mending a file wants them all. So structs are walked here
field by field and msgspec converts the leaves. A problem is `file:line: where: what`, and an unknown
name comes with the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import yaml

from harness.errors import InvalidFileError

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(slots=True)
class Problems:
    """Collects problems of one file; `lines` maps a dotted place to its line where the file is YAML."""

    path: str
    lines: Mapping[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """Record one problem at a dotted place such as `load.seed`."""
        line = self._line(where)
        prefix = f"{self.path}:{line}" if line else self.path
        self.found.append(f"{prefix}: {where}: {what}" if where else f"{prefix}: {what}")

    def _line(self, where: str) -> int:
        """The line of the place, or of the nearest place around it."""
        while where and where not in self.lines:
            where = where.rpartition(".")[0]
        return self.lines.get(where, 0)


def nearest(name: str, known: Iterable[str]) -> str:
    """`known: a, b; did you mean a?` for an unknown name."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"known: {', '.join(names)}{hint}"


def parsed(path: str, text: str) -> object:
    """The YAML text of a file, or JSON by the path's ending, as plain data; InvalidFileError with line and reason.

    The line is left out where the parser does not tell it.
    """
    try:
        document = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
        yaml_lines(text)  # what holds itself by an alias loads, but nobody could walk it
    except json.JSONDecodeError as error:
        raise InvalidFileError(path, [f"{path}:{error.lineno}: {error.msg}"]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InvalidFileError(path, [f"{path}{line}: not YAML: {getattr(error, 'problem', error)}"]) from error
    except RecursionError as error:
        raise InvalidFileError(path, [f"{path}: is nested too deep, or holds itself by an alias"]) from error
    # What Python's types and PyYAML's constructors raise for a value such as the date 2020-13-01.
    except (ValueError, LookupError, AttributeError) as error:
        what = f"a value cannot be read: {type(error).__name__}: {error}"
        raise InvalidFileError(path, [f"{path}: {what}; put it in quotes if it is meant as text"]) from error
    return document


def yaml_lines(text: str) -> dict[str, int]:
    """Dotted place -> line (from 1) of every key and list item of a YAML text; {} if it does not parse."""
    lines: dict[str, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return lines

    def walk(node: yaml.Node | None, place: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = f"{place}.{key.value}" if place else str(key.value)
                lines[inner] = key.start_mark.line + 1
                walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                inner = f"{place}.{index}" if place else str(index)
                lines[inner] = value.start_mark.line + 1
                walk(value, inner)

    walk(root, "")
    return lines


def described(text: str) -> msgspec.Meta:
    """What an editor shows beside a key of a file: docs/schemas is made of it."""
    return msgspec.Meta(description=text)


def _field_types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def convert(kind: type[T], data: object, where: str, problems: Problems) -> T | None:
    """`data` as a frozen struct, with every problem in `problems`; None where a required part is missing or wrong.

    A wrong part that has a default takes it, so that checks across parts can still find the other problems:
    whoever calls must look at `problems` before using the struct.
    """
    if not isinstance(data, Mapping):
        problems.add(where, f"is {data!r}, must be a mapping")
        return None
    fields = {item.encode_name: item for item in msgspec.structs.fields(kind)}
    types = _field_types(kind)
    usable = True
    values: dict[str, Any] = {}
    for name in data:
        if name not in fields:
            place = f"{where}.{name}" if where else str(name)
            problems.add(place, f"unknown key; {nearest(str(name), fields)}")
    for name, item in fields.items():
        place = f"{where}.{name}" if where else name
        if name not in data:
            if item.required:
                problems.add(where, f"{name} is missing")
                usable = False
            continue
        value = _leaf(types[item.name], data[name], place, problems)
        if value is not None:
            values[item.name] = value
        usable = usable and (value is not None or not item.required)
    return kind(**values) if usable else None


def _struct_of_mapping(kind: Any) -> type[msgspec.Struct] | None:
    """The struct in `Mapping[str, Struct]`."""
    if not (isinstance(typing.get_origin(kind), type) and issubclass(typing.get_origin(kind), Mapping)):
        return None
    inner = typing.get_args(kind)[1]
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _leaf(kind: Any, value: object, place: str, problems: Problems) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return convert(kind, value, place, problems)
    struct = _struct_of_mapping(kind)
    if struct is not None and isinstance(value, Mapping):
        found = {str(name): convert(struct, one, f"{place}.{name}", problems) for name, one in value.items()}
        return found if all(one is not None for one in found.values()) else None
    if item := _item_struct(kind):
        return _items(item, value, place, problems)
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        problems.add(place, f"is {value!r}: {error}")
        return None


def _item_struct(kind: Any) -> type[msgspec.Struct] | None:
    """`Trial` of `tuple[Trial, ...]`; None for any other type."""
    arguments = typing.get_args(kind) if typing.get_origin(kind) is tuple else ()
    is_list = len(arguments) == 2 and arguments[1] is Ellipsis
    if is_list and isinstance(arguments[0], type) and issubclass(arguments[0], msgspec.Struct):
        return arguments[0]
    return None


def _items(kind: type[T], value: object, place: str, problems: Problems) -> tuple[T, ...] | None:
    """Every item that can be read; None where the value is no list."""
    if not isinstance(value, list):
        problems.add(place, f"is {value!r}, must be a list")
        return None
    read = (convert(kind, item, f"{place}.{index}", problems) for index, item in enumerate(value))
    return tuple(item for item in read if item is not None)
