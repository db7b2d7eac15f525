"""A file that kills every worker that touches it ends as failed, with its reason; all others go on."""

from collections import Counter
from collections.abc import Iterator

import pytest

from .centre import Centre, step
from .conftest import Make
from .reckoning import reckon, rest

FILES, WORKERS, INTERRUPTS, DELIVERIES = 12, 4, 3, 2
QUICK_S, LONG_S = 0.0, 2.0
"""Before its worker says that it has begun with it (after a second), and after."""


@pytest.fixture(
    scope="module",
    params=[QUICK_S, LONG_S],
    ids=["before it is said to have begun", "after that"],
)
def centre(request: pytest.FixtureRequest, centres: Make) -> Iterator[Centre]:
    """Workers that are on another host at each start; the first file kills whoever takes it."""
    deadly = {"sequence": 1, "after_s": request.param}
    steps = [
        step("salt", "salted", use="faults-kill", interrupts=INTERRUPTS, parcel=4, lease_s=3, options=deadly),
        step("catalog", "cataloged", makes="nothing", parcel=4),
    ]
    with centres(steps="\n".join(steps), delivery_limit=DELIVERIES) as made:
        declared = made.command("broker", "declare")
        assert declared.returncode == 0, declared.stdout + declared.stderr
        for name in ("conductor-0", "sweeper-0", "watch-0"):
            made.add(name)
        for number in range(WORKERS):
            made.add(f"worker-{number}", {"HEADFRAME_FAULTS_HOST": f"node-{number}"})
        made.keep()
        yield made


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_file_that_kills_its_workers_ends_with_that_reason_while_others_go_on(centre: Centre) -> None:
    for sequence in range(1, FILES + 1):
        centre.write(1, sequence)
    centre.close_run(1, FILES)
    took = rest(centre, FILES, 240)
    assert reckon(centre, FILES) == {"cataloged done": FILES - 1, "failed at arrived: kills-workers": 1}
    (killer,) = centre.rows(
        "select f.sequence, i.reason, i.nodes from item i join file f on f.id = i.file_id where i.phase = 'failed'"
    )
    assert (killer.sequence, len(set(killer.nodes))) == (1, INTERRUPTS)
    assert "its workers died" in killer.reason
    begun = Counter(line.split()[3] for line in centre.noted("executions"))
    print(f"\nkills-workers: failed after {took:.0f} s, nodes {', '.join(killer.nodes)}, {len(begun)} workers seen")
    print(f"  its reason: {killer.reason}")
