"""`[tracing]`: what is refused, and the file of headers."""

from pathlib import Path

import pytest

from headframe.daemon.config import Config, ConfigError
from headframe.daemon.tracing.wired import collector

from .test_load import made, mistakes


def test_nothing_is_traced_unless_somebody_says_where_to(tmp_path: Path) -> None:
    assert made(tmp_path).tracing.endpoint == ""
    assert made(tmp_path).tracing.share == 1.0


@pytest.mark.parametrize(
    ("tracing", "key", "said"),
    [
        ({"endpoint": "collector:4318"}, "tracing.endpoint", "is no URL of the web"),
        ({"endpoint": "http://collector:4318"}, "tracing.endpoint", "has no path"),
        ({"endpoint": "http://collector:4318/"}, "tracing.endpoint", "has no path"),
        ({"endpoint": "https://me:word@collector/v1/traces"}, "tracing.endpoint", "has credentials in it"),
        ({"endpoint": "http://c/v1/traces", "cafile": "ca.pem"}, "tracing.cafile", "is only for https://"),
        ({"endpoint": "http://c/v1/traces", "share": 1.5}, "tracing.share", "from 0 to 1"),
        ({"headers_file": "headers"}, "tracing.headers_file", "is of no use without tracing.endpoint"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, tracing: dict[str, object], key: str, said: str) -> None:
    found = mistakes(tmp_path, tracing=tracing)
    assert set(found) == {key}
    assert said in found[key]
    assert "word" not in found[key]


def headed(tmp_path: Path, text: str) -> Config:
    (tmp_path / "headers").write_text(text)
    return made(tmp_path, tracing={"endpoint": "http://c/v1/traces", "headers_file": "headers"})


def test_a_line_that_is_no_header_is_named_by_its_number_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 2 of .*headers is no header") as caught:
        collector(headed(tmp_path, "X-One: 1\nthe-secret\n"))
    assert "secret" not in str(caught.value).replace(str(tmp_path), "")


def test_a_file_of_headers_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = headed(tmp_path, "")
    (tmp_path / "headers").unlink()
    with pytest.raises(ConfigError, match=r"tracing.headers_file: .* cannot be read"):
        collector(config)
