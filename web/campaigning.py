"""What the API and the pages share of acting on campaigns: small ones at once, large ones left to a daemon."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from ..statemachine.lifecycle import Trigger
from ..statemachine.meeting import met
from ..statemachine.records import Record
from ..statemachine.store import campaign_make, campaign_operate, campaign_plan, operating
from ..statemachine.store.campaign_make import Made
from ..statemachine.store.campaign_operate import Begun, Changed
from ..statemachine.store.campaign_plan import Judged
from ..statemachine.store.campaign_query import RunChoice, said
from ..statemachine.store.operating import Acted, Order, Selection
from ..statemachine.views import CampaignRow, Listed, Page
from ..statemachine.views.paging import cursor, key, size
from .context import changing

COUNTING = text("set local statement_timeout = '60s'")
"""Counting what a campaign would take in looks at each file of the runs."""


class Ended(Record):
    """A campaign that was closed: how many items of it were, or will be, cancelled, by which operation."""

    changed: Changed
    sentence: str
    cancelled: int = 0
    operation: int = 0
    acted: Acted | None = None


def said_of(campaign: CampaignRow) -> str:
    """Say in words which runs a campaign takes in."""
    return said(msgspec.convert(campaign.query, met(RunChoice), strict=False))


def patiently(connection: Connection) -> None:
    """Let this transaction's questions take longer than those of a page may."""
    connection.execute(COUNTING)


def start(connection: Connection, begun: Begun, done: "list[Made | Ended]") -> bool:
    """Make what is one page in the transaction that begins it; say whether a daemon has to make the rest."""
    if begun.plan.files >= campaign_make.PAGE:
        return True
    made = campaign_make.page(connection, begun.job)
    done.append(made)
    return not made.ended


def close_campaign(connection: Connection, name: str, actor: str, reason: str, *, cancel: bool, dry_run: bool) -> Ended:
    """Close a campaign, and cancel what is not done yet if that is wanted."""
    changed = campaign_operate.close(connection, name, actor, reason)
    sentence = f"campaign {name} is closed{'' if changed.changed else ' already'}"
    if not cancel:
        return Ended(changed=changed, sentence=f"{sentence}; what it has goes on")
    order = Order(trigger=Trigger.CANCEL, selection=Selection(campaign=name), actor=actor, reason=reason)
    total = operating.look(connection, order).total
    acted = operating.act(connection, order) if total and not dry_run else None
    return Ended(
        changed=changed,
        sentence=f"{sentence}; {total:,} items that are not done are cancelled",
        cancelled=total,
        operation=acted.operation if acted else 0,
        acted=acted,
    )


def left_out(connection: Connection, campaign: CampaignRow, page: Page) -> Listed[Judged]:
    """Name files that fit a campaign and cannot start now; nothing where it left out none when it last took runs in."""
    if not campaign.left_out:
        return Listed((), "")
    patiently(connection)
    judge = campaign_make.judge_of(
        connection, campaign.id, msgspec.convert(campaign.query, met(RunChoice), strict=False)
    )
    after = key(page, int, str) or (0, "")
    rows = campaign_plan.left_out(connection, judge, (after[0], after[1]), size(page))
    return Listed(tuple(each for _, each in rows[: page.limit]), _next(rows, page))


def _next(rows: Sequence[tuple[int, Judged]], page: Page) -> str:
    if len(rows) <= page.limit:
        return ""
    run, last = rows[page.limit - 1]
    return cursor([run, last.name])


def follow_up(done: Sequence[Made | Ended], *, dry_run: bool) -> None:
    """After the commit: let runs follow their files, and wake the conductors."""
    for each in () if dry_run else done:
        with changing() as connection:
            if isinstance(each, Made):
                campaign_make.follow(connection, each)
            elif each.acted is not None:
                operating.follow(connection, each.acted)
