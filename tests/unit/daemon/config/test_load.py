"""Reading a configuration: all mistakes, each with its key and what is allowed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.config import Config, ConfigError, find, load, read_secret
from headframe.daemon.config.load import build

PATTERN = r"run_(?P<run>\d+)_(?P<sequence>\d+)\.h5"
EXAMPLE = Path(__file__).parents[4] / "examples" / "headframe.toml"


def table(**more: Any) -> dict[str, Any]:
    return {
        "database": {"embedded": "pg"},
        "site": {"raw": {"path": "raw", "kind": "source"}, "work": {"path": "/work"}},
        "inbox": {"main": {"site": "raw", "path": "in", "pattern": PATTERN}},
        "run_type": {"science": {}},
        "worker": {"work_site": "work"},
        **more,
    }


def made(tmp_path: Path, environ: dict[str, str] | None = None, **more: Any) -> Config:
    return build(table(**more), environ or {}, tmp_path)


def mistakes(tmp_path: Path, environ: dict[str, str] | None = None, **more: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, environ, **more)
    return {one.partition(": ")[0]: one for one in caught.value.mistakes}


def inbox(**more: Any) -> dict[str, Any]:
    return {"main": {"site": "raw", "path": "in", "pattern": PATTERN, **more}}


def test_the_example_is_a_right_configuration() -> None:
    config = load(EXAMPLE, {})
    assert config.inboxes
    assert config.pipeline_for("science") is not None


def test_a_small_configuration_has_defaults_for_the_rest(tmp_path: Path) -> None:
    config = made(tmp_path)
    assert config.instance == "headframe"
    assert config.database.embedded == tmp_path / "pg"
    assert config.sites["raw"].path == tmp_path / "raw"
    assert config.site("work").root == "/work"
    assert config.site("work").dir_mode == 0o2775
    assert config.inbox_root("main") == tmp_path / "raw" / "in"
    assert config.worker.logs == tmp_path / "logs"
    assert config.pipelines()["default"].states == ("arrived", "salted", "placed", "reconstructed", "cataloged")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        instance="Big",
        web={"port": "x", "hots": "a"},
        inbox=inbox(arival="closed", arrival="closd", stable_s=-1),
        log=3,
    )
    assert set(found) == {
        "instance",
        "web.port",
        "web.hots",
        "inbox.main.arival",
        "inbox.main.arrival",
        "inbox.main.stable_s",
        "log",
    }
    assert 'did you mean "arrival"?' in found["inbox.main.arival"]
    assert 'did you mean "closed"? allowed: closed, manifest, semaphore' in found["inbox.main.arrival"]
    assert "from 0 to 65535" in found["web.port"]


@pytest.mark.parametrize(
    ("more", "key", "what"),
    [
        ({"timezone": "Mars/Base"}, "timezone", "no time zone"),
        ({"database": {}}, "database.url", "is missing"),
        ({"database": {"url": "mysql://u:secret@h/d"}}, "database.url", "postgresql://"),
        ({"database": {"url": "postgresql://h/d", "embedded": "x"}}, "database.embedded", "only one"),
        ({"broker": {"url": "kafka://x"}}, "broker.url", "amqp"),
        ({"broker": {"url": "amqp://x", "cafile": "ca"}}, "broker.cafile", "amqps"),
        ({"inbox": inbox(pattern="(")}, "inbox.main.pattern", "no regular expression"),
        ({"inbox": inbox(pattern="x")}, "inbox.main.pattern", "(?P<run>"),
        ({"inbox": inbox(pattern=PATTERN + "(?P<tpye>x)")}, "inbox.main.pattern", '"tpye"'),
        ({"inbox": inbox(site="rwa")}, "inbox.main.site", 'did you mean "raw"?'),
        ({"inbox": inbox(path="../x")}, "inbox.main.path", "leads out of the site"),
        ({"inbox": inbox(kind="scinece")}, "inbox.main.kind", 'did you mean "science"?'),
        ({"inbox": inbox(arrival="manifest")}, "inbox.main.manifest", "is missing"),
        ({"inbox": inbox(semaphore="done")}, "inbox.main.semaphore", "{name}"),
        ({"inbox": {"main": {"site": "raw"}}}, "inbox.main.pattern", "is missing; expected text"),
        ({"inbox": inbox(), "worker": {"work_site": "rw"}}, "worker.work_site", "no site"),
        ({"worker": {}}, "worker.work_site", "pipeline.default.step[0] has no site of its own"),
        ({"worker": {"work_site": ""}}, "worker.work_site", "allowed: raw, work"),
        ({"inbox": inbox(path=""), "worker": {"work_site": "raw"}}, "inbox.main.path", "folder of its own"),
        ({"worker": {"work_site": "work", "count": 2, "bulk": 3}}, "worker.bulk", "worker.count is 2"),
        ({"conductor": {"bulk_share": 1.5}}, "conductor.bulk_share", "1.5"),
        ({"worker": {"steps": ["slat"]}}, "worker.steps", 'did you mean "salt"?'),
        ({"rundb": {"x": {"use": "manifst"}}}, "rundb.x.use", 'did you mean "manifest"?'),
        ({"run_type": {"led": {"pipeline": "x"}}}, "run_type.led.pipeline", "no pipeline"),
        ({"run_type": {"led": {"bypass": ["slat"]}}}, "pipeline.default", "run type led: bypass slat"),
        ({"run_type": {"led": {"placed_when": ["x"]}}}, "run_type.led.placed_when", "no site"),
        ({"private": {"slat": {}}}, "private.slat", "no step"),
        ({"site": {"a b": {"path": "x"}}, "inbox": {}}, 'site."a b"', "is no name"),
        ({"site": {"raw": {"path": "x", "dir_mode": 2775}}}, "site.raw.dir_mode", '"2775"'),
        ({"site": {"raw": {"path": "x", "file_mode": 664}}}, "site.raw.file_mode", '"664"'),
        ({"folder": "x"}, "folder", "no known key"),
    ],
)
def test_each_mistake_is_named_with_its_key(tmp_path: Path, more: dict[str, Any], key: str, what: str) -> None:
    found = mistakes(tmp_path, **more)
    assert what in found[key]
    assert "secret" not in str(found)


def test_where_each_step_has_a_site_or_no_run_is_worked_on_the_workers_may_be_missing(tmp_path: Path) -> None:
    own = pipeline({"name": "noop", "to": "x", "site": "work"})
    assert made(tmp_path, worker={}, pipeline=own).build_pipeline("default").steps[0].site == "work"
    assert made(tmp_path, worker={}, run_type={}).worker.work_site == ""


def test_an_image_says_what_runs_it(tmp_path: Path) -> None:
    for image in ("apptainer:docker://example.org/calibrate:3", "shifter:example/calibrate:3"):
        assert made(tmp_path, command={"x": {"argv": ["x"], "image": image}}).commands["x"].image == image
    found = mistakes(tmp_path, command={"x": {"argv": ["x"], "image": "docker://example.org/calibrate:3"}})
    assert "expected apptainer:IMAGE or shifter:IMAGE" in found["command.x.image"]


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"default": {"step": list(steps)}}


@pytest.mark.parametrize(
    ("steps", "key", "what"),
    [
        ([{"name": "a", "to": "b", "use": "nothere"}], "pipeline.default.step[0].use", "headframe.steps"),
        ([{"name": "a", "to": "b", "use": "command:x"}], "pipeline.default.step[0].use", "no command"),
        ([{"name": "noop"}], "pipeline.default.step[0].to", "is missing"),
        ([{"name": "noop", "to": "x", "start": "y"}], "pipeline.default.step[0].start", "no known key"),
        ([{"name": "noop", "to": "x", "scope": "fil"}], "pipeline.default.step[0].scope", '"file"'),
        ([{"name": "noop", "to": "arrived"}], "pipeline.default", "twice"),
        ([], "pipeline.default", "no steps"),
    ],
)
def test_mistakes_in_a_pipeline_are_named(tmp_path: Path, steps: list[dict[str, Any]], key: str, what: str) -> None:
    assert what in mistakes(tmp_path, run_type={}, pipeline=pipeline(*steps), inbox={})[key]


def test_run_types_go_through_their_own_pipeline(tmp_path: Path) -> None:
    config = made(
        tmp_path,
        pipeline={
            "default": {"step": [{"name": "noop", "to": "done"}]},
            "fast": {"initial": "seen", "step": [{"name": "look", "to": "looked", "use": "command:look"}]},
        },
        command={"look": {"argv": ["true"], "exit_codes": {"3": "skip"}}},
        run_type={"science": {}, "led": {"pipeline": "fast", "bypass": ["look"]}},
    )
    led = config.pipeline_for("led")
    assert led is not None
    assert led.states == ("seen", "looked")
    assert led.run_types["led"].bypass == ("look",)
    assert config.pipeline_for("unheard") is None
    assert config.commands["look"].exit_codes == {3: "skip"}


def test_a_site_has_a_path_per_class_of_host(tmp_path: Path) -> None:
    sites = {"raw": {"path": "/a", "paths": {"compute": "/b"}, "dir_mode": "2770", "file_mode": 0o440, "group": "daq"}}
    config = made(tmp_path, site=sites, worker={"work_site": "raw"})
    assert config.site("raw").root == "/a"
    config = made(tmp_path, {"HEADFRAME_HOST_CLASS": "compute"}, site=sites, worker={"work_site": "raw"})
    site = config.site("raw")
    assert (site.root, site.dir_mode, site.file_mode, site.group) == ("/b", 0o2770, 0o440, "daq")


def test_the_environment_is_on_top_of_the_file(tmp_path: Path) -> None:
    environ = {
        "HEADFRAME_WEB__PORT": "9000",
        "HEADFRAME_BROKER__USER": "12345",
        "HEADFRAME_BROKER__URL": "amqp://broker:5672/%2F",
        "HEADFRAME_INBOX__MAIN__IGNORE": '["*.x"]',
        "HEADFRAME_SITE__WORK__DIR_MODE": '"2750"',
        "HEADFRAME_CONFIG": "/nowhere",
        "PATH": "/bin",
    }
    config = made(tmp_path, environ)
    assert config.web.port == 9000
    assert config.broker.user == "12345"
    assert config.broker.url == "amqp://broker:5672/%2F"
    assert config.inboxes["main"].ignore == ("*.x",)
    assert config.sites["work"].dir_mode == 0o2750


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    found = mistakes(tmp_path, {"HEADFRAME_WEB__PROT": "1", "HEADFRAME_WEB__PORT": "high"})
    assert any("from HEADFRAME_WEB__PROT" in one and "did you mean" in one for one in found.values())
    assert any("from HEADFRAME_WEB__PORT" in one for one in found.values())


def test_what_kubernetes_puts_into_the_environment_does_not_matter(tmp_path: Path) -> None:
    made(tmp_path, {"HEADFRAME_WEB_PORT": "tcp://10.0.0.1:80", "HEADFRAME_WEB": "x", "HEADFRAME_SERVICE_HOST": "y"})


def test_the_file_is_the_named_one_else_the_variable_else_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(Path("a.toml"), {"HEADFRAME_CONFIG": "b.toml"}) == Path("a.toml")
    assert find(None, {"HEADFRAME_CONFIG": "b.toml"}) == Path("b.toml")
    (tmp_path / "headframe.toml").touch()
    assert find(None, {}) == Path("headframe.toml")


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("a = \n")
    for path, what in ((tmp_path / "none.toml", "cannot be read"), (broken, "not TOML"), (tmp_path, "cannot be read")):
        with pytest.raises(ConfigError, match=what) as caught:
            load(path, {})
        assert str(path) in str(caught.value)


def test_a_secret_is_read_when_it_is_used(tmp_path: Path) -> None:
    config = made(tmp_path, private={"salt": {"committee_public_key_file": "key", "rate": 2}})
    assert config.private["salt"] == {"committee_public_key_file": str(tmp_path / "key"), "rate": 2}
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(tmp_path / "key")
    (tmp_path / "key").write_text("secret\n")
    assert read_secret(tmp_path / "key") == "secret"


def test_importing_and_loading_brings_in_nothing_heavy() -> None:
    heavy = "sqlalchemy", "watchdog", "pika", "numpy", "importlib.metadata", "rich", "transitions"
    code = (
        "import sys; from pathlib import Path; from headframe.daemon.config import load\n"
        f"load(Path({str(EXAMPLE)!r}), {{}}); print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("worker", "takes_bulk"),
    [({"count": 3}, [True, True, False]), ({"count": 1}, [True]), ({"count": 2, "bulk": 0}, [False, False])],
)
def test_half_of_the_local_workers_take_bulk_work_unless_it_says_how_many(
    tmp_path: Path, worker: dict[str, int], takes_bulk: list[bool]
) -> None:
    config = made(tmp_path, worker={"work_site": "work", **worker})
    assert ["bulk" in config.worker.lanes(n) for n in range(config.worker.count)] == takes_bulk
    assert all("live" in config.worker.lanes(n) for n in range(config.worker.count))


@pytest.mark.parametrize("name", ['web"; drop schema', "it's", "per cent %s", "{brace}", "w" * 64, "ünï"])
def test_the_name_of_a_role_is_letters_digits_and_lines(tmp_path: Path, name: str) -> None:
    found = mistakes(tmp_path, database={"embedded": "pg", "roles": {"web": name}})
    assert "letters, digits, _ and -" in found["database.roles.web"]


def test_a_role_may_have_another_name(tmp_path: Path) -> None:
    config = made(tmp_path, database={"embedded": "pg", "roles": {"web": "Spin_web-2"}})
    assert config.database.roles == {"web": "Spin_web-2"}
