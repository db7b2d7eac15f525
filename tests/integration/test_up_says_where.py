"""`headframe up` says where its page is although little is logged: with port 0 nobody could know."""

import threading
from collections.abc import Callable

import msgspec
import pytest

from headframe.daemon import up
from headframe.daemon.config.model import Log

from .tree import Tree


class StopsOnceUp(threading.Event):
    """The stop of a tree that somebody ends as soon as there is nothing left to do but wait for the end."""

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            self.set()
        return super().wait(timeout)


@pytest.mark.parametrize(("level", "said"), [("info", 0), ("warning", 1), ("error", 1)])
def test_the_pages_address_is_said_where_the_log_does_not_say_it(
    tree: Callable[..., Tree],
    level: str,
    said: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop = StopsOnceUp()
    monkeypatch.setattr("headframe.daemon.processes.standalone", lambda _: stop)
    up.run(msgspec.structs.replace(tree(workers=0).config, log=Log(level=level)))  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("headframe is up; its page is http://127.0.0.1:") == said
