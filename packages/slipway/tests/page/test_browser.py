"""The page in a real Chromium: on a desk and on a phone, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.page.browser import Browser, chromium, find_chromium
from tests.page.test_page import CHARTS

# Every text on the page with its own colour and its background, as WCAG contrast ratios.
CONTRASTS = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map(
      (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const rgb = parse(getComputedStyle(e).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return rgb.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const holds = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return [...document.body.querySelectorAll("*")].filter(holds).map((e) => {
    const style = getComputedStyle(e);
    const colour = e.closest("svg") ? style.fill : style.color;
    return [ratio(parse(colour).slice(0, 3), ground(e)), e.textContent.trim().slice(0, 40)];
  });
})()
"""

# Texts of charts that reach beyond their chart, and so are cut off.
CUT_OFF = """
[...document.querySelectorAll("figure svg")].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((text) => {
    const at = text.getBoundingClientRect();
    return at.width > 0 && (at.left < box.left - 1 || at.right > box.right + 1
      || at.top < box.top - 1 || at.bottom > box.bottom + 1);
  }).map((text) => svg.closest("figure").id + ": " + text.textContent);
})
"""

VISIBLE = """
[...document.querySelectorAll("figure")].filter((figure) => {
  const box = figure.querySelector("svg").getBoundingClientRect();
  return box.width > 250 && box.height > 100 && figure.querySelectorAll("path, line").length > 5;
}).map((figure) => figure.id.replace("-chart", ""))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("there is no Chromium here: `apt-get install chromium` brings one")
    with chromium() as browser:
        yield browser


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture(params=[1200, 390, 360])
def width(request):
    return request.param


@pytest.fixture
def shown(browser, site, width, scheme):
    browser.open((site / "index.html").as_uri(), width, scheme)
    return browser


def test_the_page_opens_from_disk_alone_and_nothing_complains(shown, site):
    assert shown.requests() == [(site / "index.html").as_uri()]
    assert shown.complaints() == []


def test_nothing_is_wider_than_the_window(shown, width):
    assert shown.value("innerWidth") == width
    assert shown.value("document.documentElement.scrollWidth") <= width


def test_every_chart_is_drawn_and_none_of_its_text_is_cut_off(shown):
    assert set(shown.value(VISIBLE)) == CHARTS
    assert shown.value(CUT_OFF) == []


def test_every_text_contrasts_with_its_background(shown):
    ratios = shown.value(CONTRASTS)

    assert len(ratios) > 200
    assert [text for ratio, text in ratios if ratio < 4.5] == []


def test_the_reader_decides_between_light_and_dark(browser, site):
    grounds = {}
    for scheme in ("light", "dark"):
        browser.open((site / "index.html").as_uri(), 1200, scheme)
        colour = browser.value("getComputedStyle(document.body).backgroundColor")
        grounds[scheme] = sum(int(part) for part in colour[4:-1].split(","))

    assert grounds["light"] > 3 * 200
    assert grounds["dark"] < 3 * 60


@pytest.mark.parametrize("chart", sorted(CHARTS))
def test_a_chart_in_its_own_file_brings_its_colours(browser, site, chart):
    fills = []
    for scheme in ("light", "dark"):
        browser.open((site / f"{chart}.svg").as_uri(), 420, scheme)
        fills.append(browser.value("getComputedStyle(document.querySelector('text')).fill"))
        assert browser.complaints() == []

    assert len(set(fills)) == 2
