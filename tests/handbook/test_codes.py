"""Whoever meets a code finds it in the handbook, with what it means and what to do."""

import re
from collections.abc import Iterator

from .codes import NOT_CODES, TOP, said

PAGES = ("operations.md", "configuration.md", "slurm.md")
"""Where tables of codes stand: a row begins with one or several of them."""
CELL = re.compile(r"`([a-z]+(?:-[a-z]+)*)`")


def rows() -> Iterator[str]:
    """Give each code that begins a row of a table."""
    for page in PAGES:
        for line in (TOP / "docs" / page).read_text().splitlines():
            if line.startswith("|"):
                yield from CELL.findall(line.split("|")[1])


def alerts() -> set[str]:
    """Give the alerts that the handbook has a remedy for."""
    parts = (TOP / "docs" / "alerts.md").read_text().split("\n### ")[1:]
    return {part.partition("\n")[0] for part in parts if "- Mend" in part or "- Look and mend" in part}


def test_every_reason_code_of_the_code_base_has_a_row_in_the_handbook() -> None:
    documented = {*rows(), *alerts()}
    missing = {code: sorted(places) for code, places in said().items() if code not in documented}
    assert not missing, f"say what they mean and what to do, in docs/operations.md: {missing}"


def test_the_search_for_codes_finds_them_where_they_are_said() -> None:
    found = said()
    assert len(found) > 150
    named = {"no-space", "site-away", "kills-workers", "type-elsewhere", "pilot-ended", "epoch-used-again"}
    assert named <= set(found)
    assert not NOT_CODES & set(found)


def test_what_is_counted_and_charged_has_a_row_too() -> None:
    from headframe.statemachine.interrupts import COUNTED, ESCALATED, POLITE

    assert {*COUNTED, *ESCALATED, *POLITE} <= set(rows())


def test_every_alert_has_its_heading_and_its_remedy() -> None:
    from headframe.daemon.monitoring.rules import WATCHDOG
    from headframe.statemachine.alerting.catalogue import ALERTS

    assert alerts() == {alert.code for alert in ALERTS} | {WATCHDOG}
