"""Secrets: kept in files, read when they are used, never in the configuration itself."""

from pathlib import Path

from .errors import ConfigError


def read_secret(path: Path, key: str = "password_file") -> str:
    """Read a secret without the newline at its end. Raises `ConfigError` that names the key and the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{key}: {path} cannot be read: {error}"]) from error
    return text.rstrip("\r\n")
