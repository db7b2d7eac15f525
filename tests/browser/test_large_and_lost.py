"""Actions on more than 1,000 files go on by themselves, followed live; who was not the first is told what happened."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from headframe.statemachine.roles import Role
from headframe.statemachine.store.operating import limits, turn

from .conftest import Site, signed_in
from .test_operating import WAIT_MS, opened, phases

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

pytestmark = pytest.mark.browser
FAIL = """
update item set state = 'placed', step = 'reconstruct', phase = 'failed', version = version + 1, trigger = 'fail',
  reason_code = 'exit-9', reason = 'disk full', changed_at = clock_timestamp()
where file_id in (select f.id from file f join run r on r.id = f.run_id where r.number = :run)
"""
STAND = """
select i.phase, count(*) from item i join run r on r.id = i.run_id
where r.number = :run and i.file_id is not null group by i.phase
"""


@pytest.fixture(scope="module")
def cookies(browser: "Browser", site: Site) -> dict[str, Any]:
    """Sign two operators in."""
    return {name: signed_in(browser, site, name, Role.OPERATOR) for name in ("ann", "bob")}


@pytest.fixture
def two(browser: "Browser", cookies: dict[str, Any]) -> "Iterator[list[Page]]":
    """Give a page of each operator."""
    contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in cookies]
    for context, kept in zip(contexts, cookies.values(), strict=True):
        context.set_default_timeout(WAIT_MS)
        context.add_cookies(kept)
    yield [context.new_page() for context in contexts]
    for context in contexts:
        context.close()


def ordered(page: "Page", site: Site, run: int) -> int:
    """Let all files of a run have failed, requeue them from its page, go to the operation's; give its number."""
    with site.engine.begin() as connection:
        connection.execute(text(FAIL), {"run": run})
    page.goto(f"{site.base}/runs/{run}")
    page.locator("#reasons [data-act=requeue]").click()
    page.wait_for_selector("dialog[open] .count:has-text('1 200 items would be requeued, in the bulk lane')")
    page.locator("dialog [name=reason]").fill("the disk was emptied")
    with page.expect_response(is_the_answer) as answered:
        page.locator("dialog .strong").click()
    assert answered.value.status == 202
    number = int(answered.value.json()["id"])
    page.wait_for_selector("#acted progress")
    page.locator("#acted a").click()
    page.wait_for_selector("#operation:has-text('0 of 1 200')")
    page.evaluate("window.sameDocument = true")
    return number


def is_the_answer(response: "Response") -> bool:
    sent = response.request
    return sent.method == "POST" and "/operations" in sent.url and "dry_run=true" not in sent.url


def stand(site: Site, run: int) -> dict[str, int]:
    with site.engine.connect() as connection:
        return {row.phase: row.count for row in connection.execute(text(STAND), {"run": run})}


def follows(page: "Page", said: str) -> None:
    """Wait until the page says so, by itself."""
    page.wait_for_selector(f"#operation:has-text('{said}')")
    assert page.evaluate("window.sameDocument") is True


def test_a_large_action_is_followed_on_its_page_to_its_end(
    two: "list[Page]", site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGE", 500)
    page, run = two[0], site.filled.first
    ordered(page, site, run)
    for done in ("500 of 1 200", "1 000 of 1 200", "1 200 of 1 200"):
        assert turn(site.engine, "sweeper") is not None
        follows(page, done)
    page.wait_for_selector("#operation .sign-done")
    assert "bulk lane" in page.locator("#operation").inner_text()
    assert stand(site, run) == {"ready": 1200}


def test_the_rest_of_a_large_action_is_left_undone_when_its_operator_says_so(
    two: "list[Page]", site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGE", 500)
    page, run = two[0], site.filled.first + 1
    ordered(page, site, run)
    assert turn(site.engine, "sweeper") is not None
    follows(page, "500 of 1 200")
    page.get_by_role("link", name="leave the rest undone").click()
    page.get_by_label("Reason").fill("the disk is full again")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("[role=status]:has-text('The rest is left as it is.')")
    assert turn(site.engine, "sweeper") is None
    assert stand(site, run) == {"ready": 500, "failed": 700}
    said = " ".join(page.locator("#operation").inner_text().split())
    assert "500 of 1 200" in said
    assert "the disk is full again" in said
    assert page.get_by_role("link", name="leave the rest undone").count() == 0


def asked(page: "Page", site: Site, pick: str, action: str) -> None:
    """Select files at the run with trouble, and see what an action would do to them."""
    opened(page, site)
    page.get_by_role("button", name=pick).click()
    page.locator(f"#acting [data-act={action}]").click()
    page.wait_for_selector("dialog[open] .count:has-text('would be')")


def send(page: "Page", reason: str) -> None:
    page.locator("dialog [name=reason]").fill(reason)
    page.locator("dialog .strong").click()


def test_who_was_not_the_first_is_told_who_did_what_to_which_files_and_when(two: "list[Page]", site: Site) -> None:
    ann, bob = two
    asked(bob, site, "3 failed", "requeue")
    asked(ann, site, "3 failed", "requeue")
    send(ann, "disk emptied")
    ann.wait_for_selector("#acted:has-text('requeued 3 items')")
    with bob.expect_response(is_the_answer) as answered:
        send(bob, "trying again")
    assert answered.value.status == 409
    line = bob.locator("dialog .problem-line")
    line.wait_for(state="visible")
    said = line.inner_text()
    trouble = site.filled.first + 3
    for part in ("ann requeued", f"run{trouble:06d}_00003.h5", "“disk emptied”", "now placed ready", "UTC"):
        assert part in said, said
    assert "nothing was done here" in said
    assert "Your selection is kept" in said
    bob.locator("dialog").get_by_role("button", name="Cancel").click()
    assert bob.locator("#acting .says").inner_text() == "3 files selected"
    assert bob.locator(".cell.selected").count() == 3
    assert phases(site, 3, 4, 5) == ["ready"] * 3


def test_who_finds_less_than_was_counted_is_told_how_many_are_left(two: "list[Page]", site: Site) -> None:
    ann, bob = two
    asked(bob, site, "2 held", "release")
    opened(ann, site)
    ann.locator(".cells a.cell.held").first.focus()
    ann.keyboard.press("a")
    ann.wait_for_selector("dialog[open] .count:has-text('1 item would be abandoned')")
    send(ann, "not worth it")
    ann.wait_for_selector("#acted:has-text('abandoned 1 item')")
    send(bob, "DAQ is back")
    bob.wait_for_selector("dialog .problem-line:has-text('nothing was done: 1 item now')")
    assert bob.locator("dialog .strong").inner_text() == "Release 1"
    assert phases(site, 40, 41) == ["abandoned", "held"]
