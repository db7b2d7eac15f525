"""What the configuration of an instance on real servers has in it, wherever it is written."""

from pathlib import Path

from .rabbit_server import RabbitServer

SERVERS = """
instance = "{instance}"
[database]
url = "{database}"
[broker]
url = "{broker}"
user = "{user}"
password_file = "broker.password"
"""


def server_tables(folder: Path, instance: str, database: str, rabbit: RabbitServer) -> str:
    """Give the tables that name the servers, that of the broker last; its password is written beside them."""
    (folder / "broker.password").write_text(rabbit.password)
    return SERVERS.format(instance=instance, database=database, broker=rabbit.url, user=rabbit.user)
