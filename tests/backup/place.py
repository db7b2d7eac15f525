"""A configuration for a database and the folder of its backups, and what is asked of both."""

from pathlib import Path
from typing import Any

from sqlalchemy import text

from headframe.statemachine.database import connect

from ..integration.cli_help import Ended, headframe


class Place:
    """A configuration for a database, and the folder of its backups."""

    def __init__(self, folder: Path, url: str, name: str = "headframe") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config, self.backups = folder / "headframe.toml", folder / "backups"
        self.config.write_text(f'instance = "{name}"\n[database]\nurl = "{url}"\n')
        self.url = url

    def backup(self, *more: str) -> Ended:
        return headframe(self.config, "backup", "--to", str(self.backups), *more)

    def restore(self, source: Path, *more: str) -> Ended:
        return headframe(self.config, "restore", str(source), *more)

    def rows(self, statement: str, **values: Any) -> Any:
        engine = connect(self.url, "headframe")
        with engine.begin() as connection:
            result = connection.execute(text(statement), values)
            found = result.all() if result.returns_rows else []
        engine.dispose()
        return found


def names(place: Place) -> list[str]:
    return sorted(each.name for each in place.backups.iterdir())


def manifests(place: Place) -> list[Path]:
    return sorted(place.backups.glob("*.json"))
