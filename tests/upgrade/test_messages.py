"""Messages and records go both ways between releases: each reads what the other writes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headframe.consumers.messages import VERSION, Drain, MessageError, decode

from . import specimens
from .release import Release, commits

HERE = Path(__file__).parent
RECORDED = {version: json.loads((HERE / f"recorded/{version}.json").read_text()) for version in commits()}


def by(release: Release, *words: str, given: object = None) -> Any:
    """Have the code of a release write or read specimens."""
    done = subprocess.run(
        [sys.executable, str(HERE / "specimens.py"), *words],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=release.environment(),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def within(part: Any, whole: Any) -> bool:
    """Say whether all that `part` says is said by `whole` too."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and within(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(within, part, whole))
    return bool(part == whole)


def with_more(body: Any) -> Any:
    """Give the same as a later release may say it: one more field in each record."""
    if isinstance(body, dict):
        more = {} if set(body) == {"k1"} else {"said_later": {"n": 1}}  # k1 stands in what is free for all
        return {**{key: with_more(value) for key, value in body.items()}, **more}
    return [with_more(each) for each in body] if isinstance(body, list) else body


@pytest.mark.parametrize("version", RECORDED)
def test_what_a_release_sent_is_read_whole_by_this_code(version: str) -> None:
    read = specimens.read(RECORDED[version])
    assert read.keys() == RECORDED[version].keys(), "a kind of message is gone that a release still sends"
    assert [name for name, body in RECORDED[version].items() if not within(body, read[name])] == []


def test_what_this_code_sends_is_read_by_the_last_release(old: Release) -> None:
    written = specimens.write()
    read, before = by(old, "read", given=written), RECORDED[old.version]
    assert read.keys() == before.keys()
    assert [name for name in read if name.endswith("full") and not within(before[name], read[name])] == []


def test_the_recorded_messages_are_what_the_last_release_writes(old: Release) -> None:
    assert by(old, "write") == RECORDED[old.version]


@pytest.mark.parametrize("name", [name for name in specimens.write() if name.endswith("full")])
def test_a_field_of_a_later_release_is_left_alone(name: str) -> None:
    body = specimens.write()[name]
    assert specimens.read({name: with_more(body)}) == {name: body}


def test_a_message_of_a_later_version_is_refused_by_name() -> None:
    body = json.dumps({"message": "drain", "version": VERSION + 1}).encode()
    with pytest.raises(MessageError, match=f"message version {VERSION + 1} is not {VERSION - 1} or {VERSION}"):
        decode(body, Drain)


def test_a_message_of_a_kind_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(MessageError, match="Invalid value 'rest'"):
        decode(b'{"message": "rest", "version": 1}', Drain)
