"""Where things lie: two attempts never share a folder, and every name is one level below the one before."""

from hypothesis import example, given
from hypothesis import strategies as st

from headframe.statemachine.naming import attempt_folder, link_path, log_path, own_name, work_folder
from headframe.statemachine.records import Location

words = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
folders = st.builds(work_folder, words, st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1), words)


@given(folders, st.integers(1, 99), words)
def test_an_attempt_has_a_folder_of_its_own_below_its_items(path: str, epoch: int, owner: str) -> None:
    place = attempt_folder(Location(site="work", path=path), epoch, owner)
    assert place.site == "work"
    assert place.path.startswith(f"{path}/")
    assert "/" not in place.path.removeprefix(f"{path}/")


@given(folders, st.integers(1, 99), st.integers(1, 99), words, words)
def test_two_attempts_never_share_a_folder(path: str, first: int, second: int, anna: str, bert: str) -> None:
    folder = Location(site="work", path=path)
    one, other = attempt_folder(folder, first, anna), attempt_folder(folder, second, bert)
    assert (one == other) == ((first, anna) == (second, bert))


@given(folders, st.integers(1, 99), words)
def test_a_log_outlives_the_attempts_folder(path: str, epoch: int, owner: str) -> None:
    log = log_path(path, epoch, owner)
    assert log.startswith("logs/")
    assert not log.startswith(attempt_folder(Location(site="work", path=path), epoch, owner).path)


@given(folders)
def test_no_folder_leads_upwards_and_all_lie_below_attempts(path: str) -> None:
    parts = path.split("/")
    assert parts[0] == "attempts"
    assert not {"", ".", ".."} & set(parts)


@given(words, st.integers(0, 10**9), words, words)
def test_a_readable_name_is_the_same_for_every_campaign_only_where_the_file_owns_it(
    campaign: str, run: int, step: str, name: str
) -> None:
    assert link_path(None, run, step, name) == f"files/run{run:06d}/{step}/{name}"
    assert link_path(campaign, run, step, name).split("/") == [campaign, f"run{run:06d}", step, name]


@given(st.text(max_size=8), st.sampled_from((None, "run1_0002.h5")))
@example("..", None)
@example("", None)
def test_a_products_own_name_is_one_level_whatever_it_is_called(name: str, file: str | None) -> None:
    own = own_name(name, 1, file, 2 if file else None)
    assert "/" not in own
    assert own not in ("", ".", "..")
