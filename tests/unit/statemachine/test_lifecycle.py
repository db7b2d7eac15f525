"""The compiled table of legal moves against the design's table, written out here once more."""

import re
from pathlib import Path

import pytest

from headframe.statemachine import queries
from headframe.statemachine.lifecycle import Move, Trigger, declare, diagram, legal_moves, sources
from headframe.statemachine.pipeline import Pipeline, RunType, Step, build

LIVE = {"ready", "submitted", "executing"}
EVERYWHERE = LIVE | {"failed", "held", "abandoned"}
DESIGN = {  # trigger: (from, to, what the state does)
    "submit": ({"ready"}, {"submitted"}, "stays"),
    "start": ({"ready", "submitted"}, {"executing"}, "stays"),
    "succeed": (LIVE, {"ready"}, "next"),
    "skipped": (LIVE, {"ready"}, "next"),
    "bypassed": ({"ready"}, {"ready"}, "next"),
    "reused": ({"ready"}, {"ready"}, "next"),
    "fail": (LIVE, {"ready", "failed"}, "stays"),
    "interrupt": (LIVE, {"ready", "failed"}, "stays"),
    "resolve": ({"failed"}, {"ready"}, "stays"),
    "hold": (LIVE | {"failed"}, {"held"}, "stays"),
    "cancel": (LIVE | {"failed"}, {"held"}, "stays"),
    "release": ({"held"}, {"ready"}, "stays"),
    "abandon": ({"failed", "held"}, {"abandoned"}, "stays"),
    "recover": ({"abandoned"}, {"ready"}, "stays"),
    "reset": (EVERYWHERE | {"done"}, {"ready"}, "earlier"),
}
FILE_ONLY = build("plain", [Step(name="look", to="seen", makes="nothing")], {"led": RunType()})
DEFAULT = build(
    "default",
    [
        Step(name="salt", to="salted", owned_by="file"),
        Step(name="place", to="placed", makes="copy", owned_by="file"),
        Step(name="reconstruct", to="reconstructed"),
        Step(name="catalog", to="cataloged", makes="nothing"),
    ],
    {"science": RunType(), "calibration": RunType(bypass=("salt",))},
)
WITH_RUN = build(
    "with-run",
    [
        Step(name="count", to="counted"),
        Step(name="sum", to="summed", scope="run"),
        Step(name="publish", to="published", scope="run", makes="nothing"),
    ],
    {"science": RunType()},
)
PIPELINES = pytest.mark.parametrize("pipeline", [FILE_ONLY, DEFAULT, WITH_RUN], ids=lambda p: p.name)
SCOPES = pytest.mark.parametrize("scope", ["file", "run"])


def states(pipeline: Pipeline, scope: str) -> tuple[str, ...]:
    mine = [step.to for step in pipeline.steps if step.scope == "file" or scope == "run"]
    return (pipeline.initial, *mine)


def expected(pipeline: Pipeline, scope: str) -> set[Move]:
    """Write the design's table out for every state of a pipeline."""
    names = states(pipeline, scope)
    table = set()
    for trigger, (froms, tos, goes) in DESIGN.items():
        for rank, state in enumerate(names):
            there = {"done"} if state == names[-1] else EVERYWHERE
            for phase in froms & there:
                if goes == "stays":
                    table |= {Move(trigger, state, phase, state, to) for to in tos}
                elif goes == "next":
                    last = rank + 2 == len(names)
                    table |= {Move(trigger, state, phase, names[rank + 1], "done" if last else to) for to in tos}
                else:
                    earlier = [name for name in names[: rank + 1] if name != names[-1]]
                    table |= {Move(trigger, state, phase, name, "ready") for name in earlier}
    return table


@PIPELINES
@SCOPES
def test_the_compiled_table_is_the_designs(pipeline: Pipeline, scope: str) -> None:
    assert legal_moves(pipeline, scope) == expected(pipeline, scope)


@PIPELINES
@SCOPES
def test_no_place_is_a_dead_end_but_the_last_can_always_be_reached(pipeline: Pipeline, scope: str) -> None:
    moves = legal_moves(pipeline, scope)
    last = (states(pipeline, scope)[-1], "done")
    leads = {last}
    while more := {(m.state, m.phase) for m in moves if (m.to_state, m.to_phase) in leads} - leads:
        leads |= more
    machine = declare(pipeline, scope)
    assert {tuple(name.split("/")) for name in machine.states} == leads
    assert any((m.state, m.phase) == last for m in moves), "what is done can be reset"


@PIPELINES
def test_everything_is_reachable_from_arrival(pipeline: Pipeline) -> None:
    moves = legal_moves(pipeline)
    reached = {(pipeline.initial, "ready")}
    while more := {(m.to_state, m.to_phase) for m in moves if (m.state, m.phase) in reached} - reached:
        reached |= more
    assert {tuple(name.split("/")) for name in declare(pipeline).states} == reached


@pytest.mark.parametrize("trigger", sorted(DESIGN))
def test_each_statement_is_told_the_tables_sources(trigger: str) -> None:
    assert set(sources(Trigger(trigger))) == DESIGN[trigger][0]


def test_statements_that_change_phases_take_their_sources_from_the_table() -> None:
    for name in ("submit", "start", "succeed", "fail", "interrupt", "operate", "reset", "hold_duplicates"):
        assert "phase = any(:sources)" in queries.query(name).text, name


def test_sources_that_a_statement_spells_out_are_the_tables() -> None:
    spelled = set(re.findall(r"i\.phase = '(\w+)' and \(i\.kind", queries.query("advance_quietly").text))
    assert spelled == set(sources(Trigger.BYPASS)) == set(sources(Trigger.REUSE))
    assert "i.phase = 'executing'" in queries.query("renew").text
    assert "i.phase = 'submitted'" in queries.query("resent").text


def test_every_statement_that_changes_an_item_writes_its_version_and_trigger_or_leaves_both() -> None:
    for name, body in _statements():
        if "update item i set" not in body:
            continue
        assert ("version = i.version + 1" in body) == bool(re.search(r"\btrigger = ", body)), name


def test_every_change_locks_its_items_in_order() -> None:
    for name, body in _statements():
        if "update item i set" in body and "version = i.version + 1" in body:
            assert re.search(r"order by i\.id\s+for no key update of i", body), name


def test_a_trigger_of_the_table_is_a_trigger_of_the_machine() -> None:
    elsewhere = {"arrive", "gather", "retreat", "reclassify", "restore"}
    assert {str(trigger) for trigger in Trigger} == set(DESIGN) | elsewhere
    assert set(declare(DEFAULT).events) == set(DESIGN)


def test_the_diagram_names_every_state_of_a_file() -> None:
    drawn = diagram(DEFAULT)
    assert drawn.startswith("stateDiagram-v2")
    for state in DEFAULT.states:
        assert state in drawn


def _statements() -> list[tuple[str, str]]:
    words = Path(queries.FILE).read_text(encoding="utf-8")
    return [(name, queries.query(name).text) for name in re.findall(r"^-- name: (\w+)", words, flags=re.MULTILINE)]
