"""What doctor and `config check` say of tracing: the collector is asked, and packages that are missing are named."""

import sys
from pathlib import Path

import pytest

from headframe.daemon.cli.main import cli
from headframe.daemon.doctor import examine
from headframe.daemon.finding import Finding

from .collector_server import collecting
from .servers import free_ports

CONFIG = """
[database]
url = "postgresql://127.0.0.1:1/none"
[tracing]
endpoint = "{url}"
{more}
"""


def configured(folder: Path, url: str, more: str = "") -> Path:
    file = folder / "headframe.toml"
    file.write_text(CONFIG.format(url=url, more=more))
    return file


def found(file: Path) -> list[Finding]:
    return [each for each in examine(file, {}) if each.what == "tracing"]


def test_doctor_asks_the_collector(tmp_path: Path) -> None:
    with collecting() as collector:
        (good,) = found(configured(tmp_path, collector.url))
        collector.status = 401
        (refused,) = found(configured(tmp_path, collector.url))
    url = f"http://127.0.0.1:{free_ports(1)[0]}/v1/traces"
    (away,) = found(configured(tmp_path, url))
    (unread,) = found(configured(tmp_path, url, 'headers_file = "not-there"'))
    assert (good.level, good.sentence) == ("ok", f"{collector.url} takes traces")
    assert (refused.level, refused.sentence) == ("warn", f"{collector.url}: it answers 401 Unauthorized")
    assert (away.level, away.sentence) == ("warn", f"{url}: Connection refused")
    assert "tracing.headers_file: " in unread.sentence and "cannot be read" in unread.sentence


def test_packages_that_are_missing_are_named_by_doctor_and_by_config_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configured(tmp_path, "http://127.0.0.1:1/v1/traces")
    words = ["--config", str(file), "config", "check"]
    assert cli.main(words, standalone_mode=False) in (0, None)
    assert "opentelemetry" not in capsys.readouterr().out
    for name in [each for each in sys.modules if each.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    (missing,) = found(file)
    assert missing.level == "warn" and "opentelemetry is not installed here" in missing.sentence
    assert cli.main(words, standalone_mode=False) in (0, None)
    assert "opentelemetry is not installed here; needed only where a sweeper" in capsys.readouterr().out


def test_without_an_endpoint_doctor_says_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "headframe.toml"
    file.write_text('[database]\nurl = "postgresql://127.0.0.1:1/none"\n')
    assert found(file) == []
