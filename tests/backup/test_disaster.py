"""Everything is lost but the backup and the files: what the backup knew is whole, what arrived since comes in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import started
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer
from .disaster import Size, centre_of, strike

Servers = tuple[PostgresServer, RabbitServer]


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Give servers that may be destroyed."""
    postgres = started(PostgresServer)
    try:
        rabbit = started(RabbitServer)
        yield postgres, rabbit
        rabbit.remove()
    finally:
        postgres.remove()


def test_a_backup_under_load_outlives_database_and_broker(servers: Servers, tmp_path: Path) -> None:
    with centre_of(tmp_path, *servers) as centre:
        print(strike(centre, Size(files=30, pace_s=0.2, before=4, after=4, patience_s=240)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_backup_of_thousands_of_files_outlives_them_too(servers: Servers, tmp_path: Path) -> None:
    with centre_of(tmp_path, *servers) as centre:
        print("\n" + strike(centre, Size(files=3000, pace_s=0.02, before=500, after=500, patience_s=1500)))
