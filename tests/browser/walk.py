"""What a shifter and an operator have to see on their way, whatever their hands do: a mouse, a keyboard, a finger."""

import re
from typing import TYPE_CHECKING

from .instance import FILES, LOST, Instance
from .test_accessibility import faults
from .test_pages import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WAIT_MS = 90_000
SAYS = "no gain constants for channel 417"
LOGGED = "gain constant is NaN"
IN_SIGHT = "e => { const at = e.getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight; }"
CHANGED = "files => files.every((href) => document.querySelector(`.cells a.cell.done[href='${href}']`))"


class Walk:
    """One person's way over the pages about one run; `met` is asked at each page."""

    def __init__(self, browser: "Browser", instance: Instance, run: int, scheme: str, width: int, **more: bool) -> None:
        size = {"width": width, "height": 900}
        self.context = browser.new_context(color_scheme=scheme, viewport=size, **more)  # type: ignore[arg-type]
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        self.instance, self.run = instance, run
        self.wrong = watch(self.page)

    def begin(self) -> None:
        """Open the first page: its first screen says that files are missing, in which runs, and how many failed."""
        self.page.goto(self.instance.base)
        for said in ("missing", "failed"):
            one = self.page.locator(f"#summary .sign-{said}")
            assert one.evaluate(IN_SIGHT), said
        self.met()

    def runs_that_miss_files_are_on_top(self) -> None:
        """See the incomplete runs before the complete ones, and which sequence number each misses."""
        self.page.wait_for_url("**sort=missing*")
        self.page.wait_for_function("() => document.querySelector('#runs tbody tr').matches('.trouble')")
        first = self.page.locator("#runs tbody tr").first
        assert "1 missing" in first.inner_text()
        assert first.locator(".gaps").inner_text() == str(LOST)

    def only_the_run_is_listed(self) -> None:
        """See what was typed, without a button."""
        self.page.wait_for_function("() => document.querySelectorAll('#runs tbody tr').length === 1")
        assert self.page.locator("#runs tbody th").inner_text() == str(self.run)
        self.met()

    def the_run_says_what_is_wrong(self) -> None:
        """See why it waits, what is missing, and its failed files among all the cells."""
        self.page.wait_for_url(re.compile(rf"/runs/{self.run}$"))
        assert self.page.locator("#why code").first.is_visible()
        assert f"sequence {LOST}" in self.page.locator("#summary").inner_text()
        assert self.page.locator(".cells .cell").count() == FILES
        assert self.page.locator(".cells .cell.failed").count() == 2
        assert self.page.locator(".cells .cell.missing").count() == 1
        assert SAYS in self.page.locator("#reasons").inner_text()
        self.met()

    def the_file_says_why(self) -> None:
        """See reason code, sentence, since when, what comes next, and who has to act."""
        self.page.wait_for_url("**/files/*")
        why = self.page.locator("#why").inner_text()
        for said in (SAYS, "Since", "Who must act", "What unblocks it", "headframe requeue"):
            assert said in why, why
        assert "no-constants" in self.page.locator("#summary").inner_text()

    def its_log_can_be_read(self) -> None:
        """See the end of the failed attempt's log."""
        self.page.wait_for_selector(f"#attempts pre:has-text('{LOGGED}')")
        self.met()

    def exactly_two_are_counted(self) -> None:
        """See what the dry run counted, before anything is done."""
        self.page.wait_for_selector("dialog[open] .count:has-text('2 items would be requeued')")
        self.met()

    def failed(self) -> list[str]:
        """Give the addresses of the failed files; from now on reloading the page would be noticed."""
        self.page.evaluate("window.sameDocument = true")
        return self.page.locator(".cells a.cell.failed").evaluate_all("all => all.map((e) => e.getAttribute('href'))")

    def the_cells_change(self, files: list[str]) -> None:
        """Watch them go through, without reloading."""
        self.page.wait_for_selector("#acted:not([hidden]):has-text('requeued 2 items')")
        self.page.wait_for_function(CHANGED, arg=files)
        self.page.wait_for_function("() => !document.querySelector('#reasons table')")
        assert self.page.evaluate("window.sameDocument") is True
        assert self.page.locator(".cells .cell.missing").count() == 1
        self.met()

    def it_is_in_the_audit(self, name: str, reason: str) -> None:
        """See who did it and why, the latest first."""
        self.page.wait_for_url("**/operations")
        line = self.page.locator("#operations tbody tr").first.inner_text()
        for said in (name, reason, "requeue", f"run{self.run}_00700.raw"):
            assert said in line, line
        self.met()

    def met(self) -> None:
        """Find no serious fault of accessibility here, and nothing wider than the screen."""
        wide, screen = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen, f"{self.page.url} is {wide - screen} px too wide"
        assert faults(self.page) == [], self.page.url

    def end(self) -> None:
        """Close the pages; nothing was wrong on any."""
        self.context.close()
        assert self.wrong == []
