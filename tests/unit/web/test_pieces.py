"""The parts of a rendered page: found wherever they lie, and only those that differ are sent again."""

from headframe.web.live.pieces import differing, pieces, written

ONE = '<div data-part id="one"><div><p>1 &gt; 0</p></div></div>'
INNER = '<div data-part id="inner">deep</div>'
PAGE = f"""
<div class="beside">{ONE}
<section id="two" class="x" data-part>two <section>inner</section></section></div>
<div id="three" data-part>around {INNER}</div><div id="none">rest</div>
"""


def test_parts_are_found_with_all_that_is_in_them() -> None:
    found = pieces(PAGE)
    assert list(found) == ["one", "two", "three", "inner"]
    assert found["one"].markup == ONE
    assert found["two"].markup.endswith("<section>inner</section></section>")
    assert found["three"].markup == f'<div id="three" data-part>around {INNER}</div>'
    assert found["inner"].within == "three"


def test_only_parts_that_differ_are_sent_again() -> None:
    had = written(pieces(PAGE))
    assert differing(pieces(PAGE), had) == ""
    assert differing(pieces(PAGE.replace("1 &gt;", "2 &gt;")), had) == ONE.replace("1", "2")
    assert differing(pieces(PAGE.replace("deep", "deeper")), had) == INNER.replace("deep", "deeper")


def test_a_part_whose_own_parts_are_others_is_sent_with_all_of_them() -> None:
    more = PAGE.replace(INNER, INNER + INNER.replace("inner", "new"))
    assert differing(pieces(more), written(pieces(PAGE))) == pieces(more)["three"].markup


def test_a_page_with_other_parts_is_sent_whole() -> None:
    had = written(pieces(PAGE))
    assert differing(pieces(PAGE.replace('"two"', '"other"')), had) is None
    assert differing(pieces("<p>none</p>"), had) is None
    assert differing(pieces(PAGE), "nonsense = =x") is None


def test_an_element_that_never_ends_goes_to_the_end() -> None:
    assert pieces('<div data-part id="a"><div>')["a"].markup == '<div data-part id="a"><div>'
