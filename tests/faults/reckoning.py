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


def stands(centre: Centre) -> str:
    """Say where everything stands, for who asks why it does not rest."""
    items = centre.rows("select scope, state, phase, count(*) from item group by 1, 2, 3 order by 1, 2, 3")
    said = [" ".join(map(str, row)) for row in items]
    marks = centre.rows("select lane, now() - applied_at from watermark order by 1")
    said += [f"everything up to {age} ago has been applied in lane {lane}" for lane, age in marks]
    return "\n".join([*said, f"{centre.value(UNSETTLED)} to settle"])


def reckon(centre: Centre, files: int) -> Counter[str]:
    """Assert the end of the story; give how many files ended how."""
    assert centre.value("select count(*) from item where scope = 'file'") == files, stands(centre)
    assert centre.value("select count(distinct (run_id, sequence)) from file where registered_at is not null") == files
    unreasoned = "select count(*) from item where phase = 'failed' and (reason_code = '' or reason = '')"
    assert centre.value(unreasoned) == 0
    assert not accepted_twice(centre)
    _check_products(centre)
    verified = centre.command("verify", "--deep", timeout_s=900)
    assert verified.returncode == 0, verified.stdout[-3000:] + verified.stderr[-3000:]
    ends = centre.rows("select state || ' ' || phase, count(*) from item where scope = 'file' group by 1")
    return Counter(dict(ends))


def accepted_twice(centre: Centre) -> list[str]:
    """Name what was accepted more than once: an epoch, an item's step, a product."""
    twice = [
        "select 'epoch ' || epoch || ' of ' || item_id from history where trigger in ('succeed', 'skipped') "
        "group by item_id, epoch having count(*) > 1",
        "select 'state ' || to_state || ' of ' || item_id from history where trigger in ('succeed', 'skipped') "
        "group by item_id, to_state having count(*) > 1",
        "select 'product ' || step || ' of ' || item_id from product where superseded_at is null "
        "group by item_id, step having count(*) > 1",
        "select 'attempt ' || epoch || ' of ' || item_id from attempt where outcome = 'succeeded' "
        "group by item_id, epoch having count(*) > 1",
    ]
    return [row[0] for statement in twice for row in centre.rows(statement)]


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


def executions(centre: Centre) -> tuple[int, int]:
    """Give how often steps were executed, and how many of these were doubles: an item's step done before."""
    done: Counter[tuple[str, str]] = Counter()
    for line, number in centre.noted("executions").items():
        item, step, _, _ = line.split()
        done[item, step] += number
    return done.total(), done.total() - len(done)


def leftovers(centre: Centre) -> list[Path]:
    """Give the attempts' folders that nothing accepted lies in."""
    root = centre.folder / "center"
    paths = centre.rows("select path from replica where site = 'center' and retired_at is null")
    kept = {(root / row.path).parent for row in paths}
    folders = {path.parent for path in (root / "attempts").rglob("*") if path.is_file()}
    return sorted(folders - kept)
