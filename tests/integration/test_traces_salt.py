"""Traces say nothing of salt: with it, without it, and with it in some files they are the same but for times."""

from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.sweeper.measuring import Measuring
from headframe.daemon.tracing.spans import Writer
from headframe.statemachine.store.measure import Change
from headframe.statemachine.views.journeys import journeys

from .servers import PostgresServer
from .test_metrics_salt import Salting
from .web_filled import cloned


def told(url: str, root: Path, salted: tuple[int, ...]) -> list[Any]:
    """Carry the same files, and give all that their traces tell but times."""
    machine, changes = Salting(url, root), list[Change]()
    machine.salted = salted
    machine.arrive(5, 1, 2, 3)
    machine.through(5, 1, 2, 3)
    Measuring(machine.engine, 100, changes.extend).measure()
    assert machine.sql_value("select count(*) from salt_record") == len(salted)
    with machine.engine.begin() as conn:
        ways = journeys(conn, changes)
    machine.engine.dispose()
    spans = [span for way in ways for span in Writer("headframe", 1.0).spans(way)]
    events = [[(event.name, dict(event.attributes or {})) for event in span.events] for span in spans]
    return [
        (span.name, span.context, span.parent, dict(span.attributes or {}), span.status.status_code, happened)
        for span, happened in zip(spans, events, strict=True)
    ]


@pytest.mark.parametrize("salted", [(1, 2, 3), (2,)])
def test_what_is_salted_changes_nothing_that_a_trace_tells(
    salted: tuple[int, ...], postgres: PostgresServer, database_template: str, tmp_path: Path
) -> None:
    with cloned(postgres, database_template) as one, cloned(postgres, database_template) as other:
        plain, with_salt = told(one, tmp_path / "plain", ()), told(other, tmp_path / "salted", salted)
    assert with_salt == plain
    assert len([each for each in plain if each[0] == "salt"]) == 3
