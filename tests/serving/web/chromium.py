"""Chromium of the machine, as tests and pictures drive it; none is downloaded."""

from __future__ import annotations

from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
_SHIFTS = """() => new Promise((done) => {
  const found = [];
  const name = (node) => (node?.className || node?.nodeName || "?").toString();
  new PerformanceObserver((list) => list.getEntries().filter((one) => !one.hadRecentInput).forEach((one) =>
    found.push([one.value, one.sources.map((source) => name(source.node)).join(", ")])))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(found), 150);
})"""


def layout_shifts(page: Page) -> list[tuple[float, str]]:
    """What has moved under the reader's eyes since the page was loaded, and was not asked to: score and elements.

    References:
        Layout Instability API, https://wicg.github.io/layout-instability/
    """
    return [(float(value), str(what)) for value, what in page.evaluate(_SHIFTS)]
