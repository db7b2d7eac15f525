"""Turn TOML tables into records, field by field, so that every mistake is found and not only the first."""

import re
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from ...statemachine.records import Record
from .environment import FromEnvironment
from .errors import Mistakes
from .types import NAME, hook

INTERNAL = {"folder", "source", "start"}
"""Fields that a program sets and nobody writes down."""


class Reader:
    """Reads tables into records and collects mistakes; what is wrong is replaced by its default meanwhile."""

    def __init__(self, folder: Path, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self._hook = partial(hook, folder)

    def record(self, kind: type[Record], table: object, key: str) -> Any:
        """Read a table into a record of `kind`."""
        if not isinstance(table, dict):
            self.mistakes.add(key, f"expected a table, got {_shown(table)}")
            table = {}
        fields = {f.encode_name: f for f in msgspec.structs.fields(kind) if f.encode_name not in INTERNAL}
        for name in table.keys() - fields.keys():
            self.mistakes.add_unknown(_join(key, name), "is no known key", name, fields)
        values = {}
        for name, field in fields.items():
            if name in table:
                values[field.name] = self._value(field, table[name], _join(key, name))
            elif field.required:
                self.mistakes.add(_join(key, name), f"is missing; expected {_described(field.type)}")
                values[field.name] = _empty(field.type)
        return kind(**values)

    def _value(self, field: msgspec.structs.FieldInfo, value: object, key: str) -> Any:
        found = self._read(field.type, value, key)
        if found is not msgspec.UNSET:
            return found
        if field.default_factory is not msgspec.NODEFAULT:
            return field.default_factory()
        return _empty(field.type) if field.default is msgspec.NODEFAULT else field.default

    def _read(self, kind: Any, value: object, key: str) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if _is_record(kind):
            return self.record(kind, _parsed(value), key)
        if origin is dict and _is_record(arguments[1]):
            return self._tables(arguments[1], _parsed(value), key)
        if origin is tuple and _is_record(arguments[0]):
            return self._list(arguments[0], _parsed(value), key)
        return self._leaf(kind, value, key)

    def _tables(self, kind: type[Record], tables: object, key: str) -> Any:
        if not isinstance(tables, dict):
            self.mistakes.add(key, f"expected tables [{key}.<name>], got {_shown(tables)}")
            return msgspec.UNSET
        for name in tables:
            if not re.fullmatch(NAME, name):
                self.mistakes.add(_join(key, name), f"is no name; expected {NAME}")
        return {name: self.record(kind, table, _join(key, name)) for name, table in tables.items()}

    def _list(self, kind: type[Record], tables: object, key: str) -> Any:
        if not isinstance(tables, list):
            self.mistakes.add(key, f"expected a list of tables [[{key}]], got {_shown(tables)}")
            return msgspec.UNSET
        return tuple(self.record(kind, table, f"{key}[{place}]") for place, table in enumerate(tables))

    def _leaf(self, kind: Any, value: object, key: str) -> Any:
        # A variable's text is tried as it is last, so that a user name of digits is no number.
        tries = (value.parsed, str(value)) if isinstance(value, FromEnvironment) else (value,)
        problem = ""
        for candidate in tries:
            try:
                return msgspec.convert(candidate, kind, str_keys=True, dec_hook=self._hook)
            except (msgspec.ValidationError, ValueError) as error:
                problem = problem or _problem(kind, candidate, str(error))
        self.mistakes.add(key, problem)
        return msgspec.UNSET


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Record)


def _parsed(value: object) -> object:
    return value.parsed if isinstance(value, FromEnvironment) else value


def _join(key: str, name: str) -> str:
    shown = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else msgspec.json.encode(name).decode()
    return f"{key}.{shown}" if key else shown


def _problem(kind: Any, value: object, error: str) -> str:
    if isinstance(value, str) and get_origin(kind) is Literal:
        from .errors import suggest

        return f"{_shown(value)} is not possible{suggest(value, map(str, get_args(kind)))}"
    if error.startswith(("Expected", "Invalid")):
        return f"{_shown(value)} is not possible; expected {_described(kind)}" + _where(error)
    return error.partition(" - at")[0]


def _where(error: str) -> str:
    return f" ({error})" if "`$" in error else ""


def _shown(value: object) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def _described(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{_described(arguments[0])}{_limits(arguments[1])}"
    if origin is Literal:
        return " or ".join(f'"{choice}"' for choice in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_described(one) for one in arguments if one is not type(None))
    if origin is tuple:
        return f"a list of {_described(arguments[0])}"
    if origin is dict:
        return f"a table of {_described(arguments[1])}"
    return WORDS.get(kind, "a table" if _is_record(kind) else getattr(kind, "__name__", "any value"))


def _limits(meta: Any) -> str:
    marks = {"gt": "above", "ge": "from", "le": "to", "pattern": "matching"}
    return "".join(f" {word} {getattr(meta, m)}" for m, word in marks.items() if getattr(meta, m) is not None)


def _empty(kind: Any) -> Any:
    """Stand in for a required value that is missing, so that the other mistakes can still be found."""
    return Path() if kind is Path else () if get_origin(kind) is tuple else ""
