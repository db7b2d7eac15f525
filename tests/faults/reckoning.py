"""What has to be true in the end: nothing lost, nothing twice, every reason given, every byte right."""

import time
from collections import Counter
from pathlib import Path

from ..integration.servers import wait_until
from .centre import Centre

OPEN = """
select count(*) filter (where phase not in ('done', 'failed')) as moving, count(*) as items
from item where scope = 'file'
"""
UNSETTLED = "select count(*) from settle"
RUNS_BEHIND = """
select count(*) from item i where i.scope = 'run' and i.phase <> 'done' and not exists (
  select from item f where f.scope = 'file' and f.run_id = i.run_id and f.phase <> 'done')
"""
TWICE = (
    "select 'epoch ' || epoch || ' of ' || item_id from history where trigger in ('succeed', 'skipped') "
    "group by item_id, epoch having count(*) > 1",
    "select 'state ' || to_state || ' of ' || item_id from history where trigger in ('succeed', 'skipped') "
    "group by item_id, to_state having count(*) > 1",
    "select 'product ' || step || ' of ' || item_id from product where superseded_at is null "
    "group by item_id, step having count(*) > 1",
    "select 'product ' || step || ' of file ' || file_id from product where superseded_at is null "
    "group by file_id, step having count(*) > 1",
    "select 'attempts at ' || step || ' of ' || item_id from attempt where outcome in ('succeeded', 'skipped') "
    "group by item_id, step having count(*) > 1",
    "select 'file ' || file_id || ' as items' from item where scope = 'file' "
    "group by file_id, campaign_id having count(*) > 1",
)
NOT_ACCEPTED = """
select 'step ' || h.step || ' of ' || h.item_id from (
  select history.item_id, s.step, s.makes from history join item on item.id = history.item_id
  join step_rule s on s.pipeline_id = item.pipeline_id and s.state = history.from_state
  where history.trigger = 'succeed' and s.scope = 'file') h
where h.makes <> 'nothing' and not exists (
  select from replica r left join product p on p.id = r.product_id
  where r.step = h.step and r.retired_at is null and coalesce(r.item_id, p.item_id) = h.item_id)
"""
TOUCHED = """
select 'operation ' || action from operation union all select 'pause ' || what || ' ' || name from pause
union all select trigger || ' of item ' || item_id from history
  where trigger in ('resolve', 'hold', 'cancel', 'release', 'abandon', 'recover', 'reset')
"""


def at_rest(centre: Centre, files: int) -> bool:
    """Say whether every file has come to its end, with its run, its links made, its leftovers removed."""
    moving, items = centre.rows(OPEN)[0]
    if moving or items < files:
        return False
    return not centre.value(UNSETTLED) and not centre.value(RUNS_BEHIND)


def rest(centre: Centre, files: int, within_s: float) -> float:
    """Wait until everything is at rest; give the seconds that it took. Raises with all that may say why it is not."""
    began = time.monotonic()
    try:
        wait_until(lambda: at_rest(centre, files), within_s, "everything at rest")
    except TimeoutError as error:
        raise AssertionError(f"{error}\n{stands(centre)}\n{centre.last_words()}") from error
    return time.monotonic() - began


STORY = """
select h.at::time(0), h.item_id, h.trigger, h.to_phase, h.epoch, h.host, h.reason_code, h.reason from history h
join item i on i.id = h.item_id
where i.id = (select min(id) from item where scope = 'file' and phase not in ('done', 'failed')) order by h.version
"""


def stands(centre: Centre) -> str:
    """Say where everything stands, for who asks why it does not rest."""
    items = centre.rows("select scope, state, phase, count(*) from item group by 1, 2, 3 order by 1, 2, 3")
    said = [" ".join(map(str, row)) for row in items]
    marks = centre.rows("select lane, now() - applied_at from watermark order by 1")
    said += [f"everything up to {age} ago has been applied in lane {lane}" for lane, age in marks]
    said += [f"{centre.value(UNSETTLED)} to settle", "the first that is not at rest:"]
    return "\n".join([*said, *(" ".join(map(str, row)) for row in centre.rows(STORY)[-30:])])


def reckon(centre: Centre, files: int) -> Counter[str]:
    """Assert the end of the story; give how many files ended how."""
    assert len(centre.written) == files
    lost = lost_files(centre)
    assert not lost, f"{len(lost)} files lost: {lost[:10]}\n{stands(centre)}"
    assert centre.value("select count(*) from item where scope = 'file'") == files, stands(centre)
    unreasoned = "select count(*) from item where phase = 'failed' and (reason_code = '' or reason = '')"
    assert centre.value(unreasoned) == 0
    assert not accepted_twice(centre)
    assert not named(centre, NOT_ACCEPTED), "counted as done, but what it made is not there"
    assert not named(centre, TOUCHED), "an operator has done something"
    _check_places(centre)
    _check_products(centre)
    began = time.monotonic()
    verified = centre.command("verify", "--deep", timeout_s=1800)
    centre.verify_s = time.monotonic() - began
    assert verified.returncode == 0, verified.stdout[-3000:] + verified.stderr[-3000:]
    return _ends(centre)


def lost_files(centre: Centre) -> list[str]:
    """Name what the detector wrote and the machine does not have, or has not as one item; and what nobody wrote."""
    rows = centre.rows(
        "select f.name from file f join item i on i.file_id = f.id and i.scope = 'file' "
        "where f.registered_at is not null"
    )
    return sorted(centre.written.symmetric_difference(row.name for row in rows))


def accepted_twice(centre: Centre) -> list[str]:
    """Name what was accepted more than once: an epoch, an item's step, a product."""
    return [name for statement in TWICE for name in named(centre, statement)]


def named(centre: Centre, statement: str) -> list[str]:
    """Give the names that a statement finds."""
    return [row[0] for row in centre.rows(statement)]


def _ends(centre: Centre) -> Counter[str]:
    """Give how many files ended how: cataloged, or failed and why."""
    rows = centre.rows("select state, phase, reason_code, count(*) from item where scope = 'file' group by 1, 2, 3")
    ends: Counter[str] = Counter()
    for state, phase, reason_code, number in rows:
        ends[f"failed at {state}: {reason_code}" if phase == "failed" else f"{state} {phase}"] += number
    assert all(end == "cataloged done" or end.startswith("failed") for end in ends), ends
    return ends


def _check_places(centre: Centre) -> None:
    """Look for each copy that counts, and for the folder of the attempt that made it."""
    rows = centre.rows("select site, path from replica where retired_at is null")
    missing = [row.path for row in rows if not (centre.folder / row.site / row.path).is_file()]
    assert not missing, f"{len(missing)} of {len(rows)} accepted copies are not there: {missing[:10]}"


def _check_products(centre: Centre) -> None:
    """Read each product: it is the raw file and a line for each step that wrote."""
    rows = centre.rows(
        "select p.name, p.step, r.path, f.name, f.sequence, run.number from product p "
        "join replica r on r.product_id = p.id and r.step = p.step join file f on f.id = p.file_id "
        "join run on run.id = f.run_id where p.superseded_at is null"
    )
    for name, step, path, raw, sequence, run in rows:
        content = (centre.folder / "center" / path).read_text()
        begin = f"content {sequence} of run {run}\n"
        assert content.startswith(begin), name
        assert content.endswith(f"{step} of {raw}\n"), name


def leftovers(centre: Centre) -> list[Path]:
    """Give the attempts' folders that nothing accepted lies in."""
    root = centre.folder / "center"
    paths = centre.rows("select path from replica where site = 'center' and retired_at is null")
    kept = {(root / row.path).parent for row in paths}
    folders = {path.parent for path in (root / "attempts").rglob("*") if path.is_file()}
    return sorted(folders - kept)
