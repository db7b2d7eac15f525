"""The colours are read from the style sheet itself: text must stand out from its ground as WCAG's AA asks."""

import re
from pathlib import Path

import pytest

from headframe import web

CSS = (Path(web.__file__).parent / "static" / "page.css").read_text(encoding="utf-8")
BLOCKS = re.findall(r":root \{.*?\}", CSS, re.DOTALL)
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in BLOCKS)
WORDS = ("text", "quiet", "link", "failed", "held", "missing", "done")


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("word", WORDS)
def test_words_are_readable_on_the_ground_and_on_panels(scheme: dict[str, str], word: str) -> None:
    assert contrast(scheme[word], scheme["ground"]) >= 4.5
    assert contrast(scheme[word], scheme["panel"]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("cell", ["failed", "held", "abandoned"])
def test_the_sign_in_a_cell_is_readable(scheme: dict[str, str], cell: str) -> None:
    assert contrast(scheme["on-strong"], scheme[cell]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_both_schemes_name_the_same_colours(scheme: dict[str, str]) -> None:
    assert scheme.keys() == LIGHT.keys()
