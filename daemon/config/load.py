"""Find the configuration file, read it with the environment on top, check it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec

from .checks import check
from .environment import FILE, overlay
from .errors import ConfigError, Mistakes
from .model import Config
from .reader import INTERNAL, Reader

PLACES = (Path("headframe.toml"), Path("/etc/headframe/headframe.toml"))


def find(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Give the file to read: `path`, else $HEADFRAME_CONFIG, else the first of `PLACES`. Raises `ConfigError`."""
    named = path or (Path(environ[FILE]) if environ.get(FILE) else None)
    if named is not None:
        return named
    for place in PLACES:
        if place.exists():
            return place
    places = ", ".join(str(place) for place in PLACES)
    raise ConfigError([f"no configuration: none of {places} is there; give --config or set {FILE}"])


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read and check the configuration. Raises `ConfigError` with all its mistakes."""
    source = find(path, environ).absolute()
    return build(_read(source), environ, source.parent, source)


def build(table: dict[str, Any], environ: Mapping[str, str], folder: Path, source: Path | None = None) -> Config:
    """Check a table that was read already. Raises `ConfigError` with all its mistakes."""
    mistakes = Mistakes()
    overlay(table, environ, _top(), mistakes)
    config: Config = Reader(folder, mistakes).record(Config, table, "")
    config = msgspec.structs.replace(config, folder=folder, source=source)
    config = check(config, mistakes)
    if mistakes.found:
        raise ConfigError(mistakes.found.values(), str(source or ""))
    return config


def _read(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"not TOML: {error}"], str(source)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"cannot be read: {error}"], str(source)) from error


def _top() -> dict[str, bool]:
    fields = [field for field in msgspec.structs.fields(Config) if field.encode_name not in INTERNAL]
    return {f.encode_name: get_origin(f.type) is dict or _is_table(f.type) for f in fields}


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
