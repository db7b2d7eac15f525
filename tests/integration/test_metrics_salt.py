"""Metrics say nothing of salt: with it, without it, and with it in some files they are the same but for times."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headframe.statemachine.records import SealedSalt
from headframe.statemachine.store import measure
from headframe.statemachine.store.sweep import fold
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .metric_text import families
from .servers import PostgresServer
from .small_machine import SmallMachine
from .web_filled import cloned

TIMES = ("_seconds", "_seconds_sum", "_seconds_bucket", "_sums_waiting")
"""What depends on how long something took; rows of sums are one for all files that took alike."""


class Salting(SmallMachine):
    """Files of which some are salted: their content is another one, of the same size, and a record is sealed."""

    salted: tuple[int, ...] = ()

    def _made(self, run: int, sequence: int | None, found: Any) -> dict[str, Any]:
        made = super()._made(run, sequence, found)
        if found.step != "salt" or sequence not in self.salted:
            return made
        (product,) = made["products"]
        size, sums = self._write("work", product.location.path, "s" * product.size)
        assert size == product.size
        sealed = SealedSalt(key_id="k1", sealed=b64encode(b"energy 40 keV, event 17").decode())
        return {**made, "products": (msgspec.structs.replace(product, checksums=sums),), "salt": sealed}


def told(url: str, root: Path, salted: tuple[int, ...]) -> dict[Any, float | None]:
    """Run the same files, and give all that is told of them; of times only that they are told."""
    machine = Salting(url, root)
    machine.salted = salted
    machine.arrive(5, 1, 2, 3, 4)
    machine.arrive(6, 1, kind="calibration")
    machine.through(5, 1, 2, 3)
    machine.through(6, 1)
    machine.say(5, 4, "fail", reason_code="exit-3", reason="no peaks")
    with machine.engine.begin() as conn:
        measure.take(conn, 1000)
        fold(conn, 1000)
    assert machine.sql_value("select count(*) from salt_record") == len(salted)
    client = create_app(machine.engine, Settings(instance="headframe")).test_client()
    found = {
        (s.name, *sorted(s.labels.items())): None if s.name.endswith(TIMES) else s.value
        for family in families(client)
        for s in family.samples
    }
    machine.engine.dispose()
    return found


@pytest.mark.parametrize("salted", [(1, 2, 3), (2,)])
def test_what_is_salted_changes_nothing_that_is_told(
    salted: tuple[int, ...], postgres: PostgresServer, database_template: str, tmp_path: Path
) -> None:
    with cloned(postgres, database_template) as one, cloned(postgres, database_template) as other:
        plain, with_salt = told(one, tmp_path / "plain", ()), told(other, tmp_path / "salted", salted)
    assert with_salt == plain
    assert len([n for n in plain.values() if n]) > 30
