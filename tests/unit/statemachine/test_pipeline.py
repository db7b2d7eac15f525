"""Pipelines: what a step reads for which run type, what the version stands for, what is refused and how."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.statemachine.pipeline import Pipeline, PipelineError, RunType, Step, build

NAMES = ("salt", "place", "reconstruct", "calibrate")


def default(**types: RunType) -> Pipeline:
    steps = [
        Step(name="salt", to="salted"),
        Step(name="place", to="placed", makes="copy"),
        Step(name="reconstruct", to="reconstructed"),
        Step(name="catalog", to="cataloged", makes="nothing"),
        Step(name="summary", to="summarized", scope="run"),
    ]
    return build("default", steps, types or {"science": RunType(), "calibration": RunType(bypass=("salt",))})


@pytest.mark.parametrize(
    ("step", "science", "calibration"),
    [
        ("salt", ("raw",), ("raw",)),
        ("place", ("salt",), ("raw",)),
        ("reconstruct", ("salt",), ("raw",)),
        ("catalog", ("reconstruct",), ("reconstruct",)),
        ("summary", ("reconstruct",), ("reconstruct",)),
    ],
)
def test_a_step_reads_the_nearest_earlier_content(
    step: str, science: tuple[str, ...], calibration: tuple[str, ...]
) -> None:
    pipeline = default()
    assert pipeline.inputs(pipeline.step(step), "science") == science
    assert pipeline.inputs(pipeline.step(step), "calibration") == calibration


@given(
    st.lists(st.sampled_from(("product", "copy", "nothing")), min_size=1, max_size=3),
    st.lists(st.sampled_from(("science", "nobody-knows")), min_size=1, max_size=1),
)
def test_who_does_not_bypass_salt_never_falls_back_to_raw(makes: list[str], kinds: list[str]) -> None:
    later = [Step(name=f"s{n}", to=f"t{n}", makes=what) for n, what in enumerate(makes)]  # type: ignore[arg-type]
    pipeline = build("p", [Step(name="salt", to="salted"), *later], {"science": RunType()})
    for step in pipeline.steps[1:]:
        assert "raw" not in pipeline.inputs(step, kinds[0])


def test_a_step_with_no_inputs_reads_nothing() -> None:
    pipeline = build("p", [Step(name="make", to="made", inputs=())], {})
    assert pipeline.inputs(pipeline.steps[0], "science") == ()


def test_the_version_stands_for_all_that_is_said() -> None:
    assert default().version == default().version
    assert len(default().version) == 12
    changed = msgspec.structs.replace(default().steps[2], timeout_s=1.0)
    steps = (*default().steps[:2], changed, *default().steps[3:])
    assert msgspec.structs.replace(default(), steps=steps).version != default().version
    assert default(science=RunType(bypass=("salt",))).version != default(science=RunType()).version


def test_the_version_survives_the_database() -> None:
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(default())), Pipeline)
    assert again == default()
    assert again.version == default().version


@pytest.mark.parametrize(
    ("steps", "types", "words"),
    [
        ([], {}, "has no steps"),
        ([Step(name="a", to="x"), Step(name="b", to="x")], {}, "state x twice"),
        ([Step(name="a", to="x"), Step(name="a", to="y")], {}, "step a twice"),
        ([Step(name="a", to="arrived")], {}, "state arrived twice"),
        ([Step(name="a", to="x", scope="run")], {}, "run-scope steps stand at the end"),
        (
            [Step(name="a", to="x"), Step(name="b", to="y", scope="run"), Step(name="c", to="z")],
            {},
            "run-scope steps stand at the end",
        ),
        ([Step(name="a", to="x", inputs=("b",))], {}, "step a: input b is none of raw"),
        ([Step(name="a", to="x", inputs=("a",))], {}, "step a: input a is none of raw"),
        ([Step(name="a", to="x")], {"led": RunType(bypass=("salt",))}, "run type led: bypass salt is none of a"),
        (
            [Step(name="a", to="x"), Step(name="b", to="y", scope="run")],
            {"led": RunType(bypass=("b",))},
            "run type led: bypass b is none of a",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_what_is_allowed(
    steps: list[Step], types: dict[str, RunType], words: str
) -> None:
    with pytest.raises(PipelineError, match=words):
        build("p", steps, types)


def test_steps_chain_from_the_initial_state_and_use_their_own_names() -> None:
    pipeline = default()
    assert [(step.start, step.to) for step in pipeline.steps][:2] == [("arrived", "salted"), ("salted", "placed")]
    assert [step.use for step in pipeline.steps] == [step.name for step in pipeline.steps]
    assert [pipeline.rank(state) for state in pipeline.states] == [0, 1, 2, 3, 4, 5]
