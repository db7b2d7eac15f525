"""The order of states, as the pipelines of the campaigns say it, and the choices that filters offer."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from ..statemachine.schema import campaign, pipeline, step_rule


class Choices(NamedTuple):
    """What a filter can be set to: all states in the order of the pipelines, and all configured run types."""

    states: tuple[str, ...]
    kinds: tuple[str, ...]


class Place(NamedTuple):
    """Where items of a state wait: which step takes them on, in which lane."""

    step: str
    lane: str


def states_of_campaigns(connection: Connection, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Give the states that files pass in each of these campaigns, in order, the initial one first."""
    wanted = (
        select(campaign.c.name, step_rule.c.state, step_rule.c.to_state)
        .join(step_rule, step_rule.c.pipeline_id == campaign.c.pipeline_id)
        .where(campaign.c.name.in_(sorted(set(names))), step_rule.c.scope == "file")
        .order_by(campaign.c.name, step_rule.c.rank)
    )
    found: dict[str, tuple[str, ...]] = {}
    for name, state, to_state in connection.execute(wanted):
        found[name] = (*found.get(name, (state,)), to_state)
    return found


def of_run(connection: Connection, name: str, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the states that files of a run type pass in a campaign, the initial one first, and the steps left out."""
    wanted = (
        select(step_rule.c.state, step_rule.c.to_state, pipeline.c.definition["run_types"][kind]["bypass"].label("out"))
        .join(campaign, campaign.c.pipeline_id == step_rule.c.pipeline_id)
        .join(pipeline, pipeline.c.id == step_rule.c.pipeline_id)
        .where(campaign.c.name == name, step_rule.c.scope == "file")
    )
    rows = connection.execute(wanted.order_by(step_rule.c.rank)).all()
    states = (*(row.state for row in rows[:1]), *(row.to_state for row in rows))
    return states, tuple(rows[0].out or ()) if rows else ()


def merged(orders: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Merge several orders of states into one that keeps each, as far as they agree."""
    ranks: dict[str, int] = {}
    for order in orders:
        for rank, state in enumerate(order):
            ranks[state] = max(rank, ranks.get(state, 0))
    return tuple(sorted(ranks, key=lambda state: ranks[state]))


def choices(connection: Connection) -> Choices:
    """Give the states and run types of all pipelines there ever were."""
    ranked = select(step_rule.c.state, step_rule.c.to_state, func.max(step_rule.c.rank).label("rank"))
    rules = connection.execute(ranked.group_by(step_rule.c.state, step_rule.c.to_state).order_by("rank")).all()
    states = dict.fromkeys(state for rule in rules for state in (rule.state, rule.to_state))
    keys = select(func.jsonb_object_keys(pipeline.c.definition["run_types"]).label("kind")).distinct()
    return Choices(states=tuple(states), kinds=tuple(sorted(connection.execute(keys).scalars())))


def places(connection: Connection) -> dict[tuple[int, str, str], Place]:
    """Give the step and lane for each campaign id, scope and state; last states have none."""
    wanted = select(campaign.c.id, step_rule.c.scope, step_rule.c.state, step_rule.c.step, campaign.c.lane).join(
        step_rule, step_rule.c.pipeline_id == campaign.c.pipeline_id
    )
    return {(row.id, row.scope, row.state): Place(row.step, row.lane) for row in connection.execute(wanted)}
