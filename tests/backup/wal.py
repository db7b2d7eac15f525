"""A PostgreSQL that archives its WAL to a folder, a base backup of it, its recovery: the recipe of docs/backup.md."""

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import psycopg2

from ..integration.servers import NOBODY, PostgresServer, temporary, wait_until


def archiving() -> tuple[PostgresServer, Path]:
    """Give a server, not started, that archives to a folder; and that folder, which outlives it."""
    kept = temporary("wal")
    archive = kept / "archive"
    archive.mkdir()
    settings = {
        "archive_mode": "on",
        "archive_command": f"test ! -f {archive}/%f && cp %p {archive}/.%f && mv {archive}/.%f {archive}/%f",
        "archive_timeout": "5",
        "full_page_writes": "on",
    }
    if os.geteuid() == 0:
        for folder in (kept, archive):
            os.chown(folder, NOBODY, NOBODY)
    return PostgresServer(settings), kept


def base_backup(server: PostgresServer, kept: Path) -> None:
    """Take a base backup while the server works."""
    command = [server.programs / "pg_basebackup", "-d", server.url, "-D", kept / "base", "--checkpoint=fast"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def archived(server: PostgresServer, kept: Path) -> None:
    """Wait until all that has been committed so far is in the archive."""
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_walfile_name(pg_switch_wal())")
        (name,) = cursor.fetchone()
    connection.close()
    wait_until((kept / "archive" / name).exists, 60, f"{name} in the archive")


def recover(server: PostgresServer, kept: Path, until: datetime | None = None) -> None:
    """Bring the server back from base backup and archive: to the end, or to a moment."""
    data = server.folder / "data"
    shutil.rmtree(data)
    shutil.copytree(kept / "base", data)
    lines = [f"restore_command = 'cp {kept}/archive/%f %p'", "recovery_target_action = 'promote'"]
    if until is not None:
        lines.append(f"recovery_target_time = '{until.isoformat()}'")
    with (data / "postgresql.conf").open("a") as config:
        config.write("\n".join([*lines, "archive_mode = off", ""]))
    (data / "recovery.signal").touch()
    if os.geteuid() == 0:
        for path in (data, *data.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    data.chmod(0o700)
    server.start()
    wait_until(lambda: _promoted(server), 300, "the end of the recovery")


def _promoted(server: PostgresServer) -> bool:
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_is_in_recovery()")
        (recovering,) = cursor.fetchone()
    connection.close()
    return not recovering
