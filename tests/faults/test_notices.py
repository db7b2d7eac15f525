"""A sweeper that is killed around a notice: who is told hears of each alert at least once, and by its number knows a
second time for one.
"""

from collections.abc import Iterator

import pytest

from ..integration.alert_receivers import HookReceiver, MailReceiver, hook_receiver, mail_receiver
from ..integration.servers import wait_until
from .centre import Centre, step
from .conftest import Make

RECEIVERS = """
[alerts]
look_s = 0.5
calm_s = 1
[alerts.hook.ops]
url = "{hook}"
[alerts.mail]
host = "127.0.0.1"
port = {mail}
from = "headframe@example.org"
to = ["ops@example.org"]
"""
WAITING = "select count(*) from alert_notice where sent_at is null and given_up_at is null"
LONG_AGO = """update alert set since = since - interval '2 minutes'
where code = 'dead-letters' and fired_at is null returning id"""
CLAIM_OVER = "update alert_notice set due_at = clock_timestamp() where sent_at is null returning id"


class Told:
    """An instance that tells a web hook and a mailbox."""

    def __init__(self, centre: Centre, hook: HookReceiver, box: MailReceiver) -> None:
        self.centre, self.hook, self.box = centre, hook, box

    def cause(self, name: str) -> None:
        """Put a file of a name that means nothing into the inbox, and let the minute pass that its alert waits."""
        (self.centre.inbox / name).write_text("no run, no number")
        wait_until(lambda: self.change(LONG_AGO), 60, f"an alert because of {name}\n{self.centre.last_words()}")

    def change(self, statement: str) -> int:
        """Change the database as time would; give how many rows that were."""
        with self.centre.engine.begin() as connection:
            connection.exec_driver_sql(f'set local search_path = "{self.centre.instance}"')
            return len(connection.exec_driver_sql(statement).all())

    def rest(self) -> None:
        """Wait until nothing waits to be told."""
        wait_until(lambda: self.centre.value(WAITING) == 0, 60, f"all told\n{self.centre.last_words()}")

    def numbers(self) -> tuple[list[str], list[str]]:
        """Give the numbers by which the hook and the mailbox can tell what they got, in their order."""
        return [each["Idempotency-Key"] for each in self.hook.headers], [str(m["Message-ID"]) for m in self.box.mail]


@pytest.fixture(scope="module")
def told(centres: Make) -> Iterator[Told]:
    only = step("place", "placed", makes="copy", owned_by="file")
    with centres(steps=only) as centre, hook_receiver() as hook, mail_receiver() as box:
        with centre.config.open("a") as config:
            config.write(RECEIVERS.format(hook=hook.url, mail=box.port))
        for name in ("conductor-0", "watch-0", "worker-0", "sweeper-0"):
            centre.add(name)
        centre.keep()
        yield Told(centre, hook, box)


@pytest.mark.parametrize(
    ("point", "most"),
    [pytest.param("sweeper before telling", 1, marks=pytest.mark.long), ("sweeper between telling and its mark", 2)],
)
def test_who_is_told_hears_of_it_though_the_sweeper_is_killed(told: Told, point: str, most: int) -> None:
    told.rest()
    before = [len(each) for each in told.numbers()]
    told.centre.order(point)
    told.cause(f"{point}.raw")
    assert told.centre.hit(point), told.centre.last_words()
    wait_until(lambda: told.centre.member("sweeper-0").lives(), 30, "started again")
    told.change(CLAIM_OVER)  # else two minutes, in which the dead one might still have been at it
    told.rest()
    heard = [each[n:] for each, n in zip(told.numbers(), before, strict=True)]
    for each in heard:
        assert len(set(each)) == 1, "one notice"
        assert 1 <= len(each) <= most
    assert most in map(len, heard), "who was just being told was told again; each receiver has a thread, so both may be"

    (told.centre.inbox / f"{point}.raw").unlink()
    told.centre.command("dead", "forget", "--all-of", "bad-name", "--reason", "a test", "--yes")
    over = "select count(*) from alert where cleared_at is not null and resolved_told_at is null"
    wait_until(lambda: told.hook.got[-1]["status"] == "resolved", 60, f"over, {told.centre.value(over)} not said")
