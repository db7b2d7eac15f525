"""Reading what scontrol prints as text: that of 22.05 knows no `--json`."""

from datetime import UTC, datetime

from .contract import Partition, Reservation
from .reading import MIB, text_of


def records(text: str) -> tuple[dict[str, str], ...]:
    """Give the `Key=value` of each line. What has no name ("No reservations in the system") is left out."""
    found = (dict(word.partition("=")[::2] for word in line.split() if "=" in word) for line in text.splitlines())
    return tuple(each for each in found if each)


def settings(text: str) -> dict[str, str]:
    """Give the settings of `scontrol show config`."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def partitions(text: str) -> tuple[Partition, ...]:
    """Give the partitions of `scontrol show partition`."""
    return tuple(partition(each) for each in records(text) if "PartitionName" in each)


def partition(read: dict[str, str]) -> Partition:
    """Read one partition."""
    memory = read.get("MaxMemPerNode", "")
    return Partition(
        name=read["PartitionName"],
        state=read.get("State", ""),
        usable=read.get("State") == "UP",
        nodes=text_of(read.get("Nodes")),
        walltime_s=span(read.get("MaxTime", "")),
        memory_per_node=int(memory) * MIB if memory.isdecimal() else 0,
    )


def reservations(text: str) -> tuple[Reservation, ...]:
    """Give the reservations of `scontrol show reservation`, asked for with TZ=UTC."""
    return tuple(reservation(each) for each in records(text) if "ReservationName" in each)


def reservation(read: dict[str, str]) -> Reservation:
    """Read one reservation."""
    return Reservation(
        name=read["ReservationName"],
        nodes=text_of(read.get("Nodes")),
        users=text_of(read.get("Users")),
        accounts=text_of(read.get("Accounts")),
        state=read.get("State", ""),
        begins_at=moment(read.get("StartTime", "")),
        ends_at=moment(read.get("EndTime", "")),
    )


def moment(text: str) -> datetime | None:
    """Read a time in UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def span(text: str) -> int:
    """Read a time limit, `days-hours:minutes:seconds`, as seconds; 0 for UNLIMITED."""
    days, _, rest = text.rpartition("-")
    parts = rest.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return 0
    hours, minutes, seconds = (int(part) for part in parts)
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
