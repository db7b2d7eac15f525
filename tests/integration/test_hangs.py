"""A loop that truly hangs: behind a lock that somebody holds in the database."""

from sqlalchemy import text

from headframe.statemachine.database import connect

from .manners_house import House
from .servers import wait_until

SOON = {"HEADFRAME_MONITOR__HANG_S": "2"}


def test_a_loop_that_hangs_is_named_until_it_comes_round_again(home: House) -> None:
    residents = [home.start(role, settings=SOON) for role in ("conductor", "sweeper")]
    for each in residents:
        each.await_ready()
    engine = connect(home.postgres.url_of(home.direct.rpartition("/")[2]), home.instance)
    with engine.begin() as holder:
        holder.execute(text("lock table item in access exclusive mode"))
        for each, loop in zip(residents, ("conductor live", "sweeper"), strict=True):
            wait_until(lambda each=each: each.ask("/livez")[0] == 503, 60, f"{each.name} hangs")  # type: ignore[misc]
            said = each.ask("/livez")[1]
            assert said["status"] == "hangs"
            assert loop in said["hangs"]
            assert said["loops"][loop] >= 2
    for each in residents:
        wait_until(lambda each=each: each.ask("/livez")[0] == 200, 60, f"{each.name} comes round")  # type: ignore[misc]
    engine.dispose()
