"""What /metrics says, taken apart."""

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterable

import pytest
from flask.testing import FlaskClient
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

Sample = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a series with its labels in order."""
OWN = ("headframe_web_", "headframe_build_")
"""What a web process says of itself: these differ from one to the next."""


def families(client: FlaskClient) -> list[Metric]:
    """Give the families of a scrape."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return list(text_string_to_metric_families(answer.text))


def scraped(port: int) -> list[Metric]:
    """Give the families of a scrape of another process."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def series(found: Iterable[Metric]) -> dict[Sample, float]:
    """Give the values of families by series."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in found for s in family.samples}


def growing(found: Iterable[Metric]) -> dict[Sample, float]:
    """Give those that may never go down and come from the database."""
    return series(each for each in found if each.type in ("counter", "histogram") and not each.name.startswith(OWN))


def one(found: dict[Sample, float], name: str, /, **labels: str) -> float:
    """Give one series; its class is written `class_`."""
    return found[f"headframe_{name}", tuple(sorted((key.rstrip("_"), value) for key, value in labels.items()))]


def promtool(*words: str, said: str) -> tuple[int, str]:
    """Ask promtool about what was said; give its exit code and its words."""
    if shutil.which("promtool") is None:
        missing = "promtool is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(f"CI has to have it: {missing}")
        pytest.skip(missing)
    done = subprocess.run(["promtool", *words], input=said, text=True, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr
