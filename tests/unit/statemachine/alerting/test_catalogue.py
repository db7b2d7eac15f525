"""The catalogue of alerts: what is in it fits Prometheus, the documentation and itself."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from headframe.statemachine.alerting import ALERTS, BY_CODE, Limits
from headframe.statemachine.alerting.alert import raw


def test_every_alert_has_a_code_of_its_own() -> None:
    assert len(BY_CODE) == len(ALERTS)


def test_only_what_the_service_cannot_see_of_itself_is_left_to_prometheus() -> None:
    assert {each.code for each in ALERTS if not each.need} == {"database-away", "web-away", "no-sweeper"}


def test_every_expression_takes_its_thresholds_from_the_limits() -> None:
    limits = Limits(no_progress_minutes=2, site_free_percent=12.5, failures_least=7, backup_hours=3)
    assert "[120s:30s]" in raw(BY_CODE["no-progress"].expr, limits)
    assert "< 0.125" in raw(BY_CODE["site-full"].expr, limits)
    assert ">= 7" in raw(BY_CODE["failures"].expr, limits)
    assert "> 10800" in raw(BY_CODE["backup-old"].expr, limits)


def test_promtool_accepts_every_rule(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not here: apt-get install prometheus")
    rules = [{"alert": each.code, "expr": each.query(Limits()), "for": f"{each.for_s:g}s"} for each in ALERTS]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "headframe", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
