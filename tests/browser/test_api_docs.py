"""The page that shows the OpenAPI document: it works under its own policy, and loads nothing from elsewhere."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from .conftest import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_the_document_can_be_browsed_and_tried(browser: "Browser", site: Site) -> None:
    page = browser.new_page()
    said: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(f"{site.base}/api/v1/docs")
    page.locator(".opblock-summary", has_text="/api/v1/runs").first.click()
    page.get_by_role("button", name="Try it out").first.click()
    page.get_by_role("button", name="Execute").first.click()
    page.wait_for_selector(".live-responses-table")
    assert page.locator(".live-responses-table .response-col_status").nth(1).inner_text().startswith("200")
    assert (said, hosts) == ([], {urlsplit(site.base).netloc, ""} & hosts)
    page.close()
