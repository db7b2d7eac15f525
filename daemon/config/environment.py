"""The environment on top of the file: `HEADFRAME_DATABASE__URL` sets `database.url`."""

import tomllib
from collections.abc import Mapping
from typing import Any

from .errors import Mistakes

PREFIX = "HEADFRAME_"
FILE = "HEADFRAME_CONFIG"


class FromEnvironment(str):
    """A variable's text. `parsed` is what TOML makes of it; the text itself where TOML makes nothing."""

    __slots__ = ()

    @property
    def parsed(self) -> Any:
        """Give the TOML value, else the text."""
        try:
            return tomllib.loads(f"value = {self}")["value"] if "\n" not in self else str(self)
        except tomllib.TOMLDecodeError:
            return str(self)


def overlay(table: dict[str, Any], environ: Mapping[str, str], top: Mapping[str, bool], mistakes: Mistakes) -> None:
    """Put variables into `table`. `top` tells of each known first key whether it is a table.

    A name without `__` counts only where it is a known plain key: Kubernetes puts names such as
    `HEADFRAME_WEB_PORT` into the environment of its own accord.
    """
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == FILE:
            continue
        words = variable[len(PREFIX) :].split("__")
        if len(words) == 1 and top.get(words[0].lower(), True):
            continue
        _put(table, words, variable, FromEnvironment(environ[variable]), mistakes)


def _put(table: dict[str, Any], words: list[str], variable: str, value: FromEnvironment, mistakes: Mistakes) -> None:
    keys: list[str] = []
    for word in words[:-1]:
        keys.append(_key(table, word))
        table = table.setdefault(keys[-1], {})
        if not isinstance(table, dict):
            mistakes.add(".".join(keys), f"{variable} sets a key below it, but it is no table")
            return
    keys.append(_key(table, words[-1]))
    mistakes.origins[".".join(keys)] = variable
    table[keys[-1]] = value


def _key(table: dict[str, Any], word: str) -> str:
    """Give the key that a word means: one already there, whatever its case and hyphens, else in lower case."""
    wanted = word.lower()
    return next((key for key in table if key.lower().replace("-", "_") == wanted.replace("-", "_")), wanted)
