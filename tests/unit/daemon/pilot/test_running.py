"""From the configuration of pilots to what their workers do."""

from pathlib import Path

from headframe.daemon.config.surroundings import look
from headframe.daemon.pilot.running import settings

from ..launcher.small_cluster import configured


def test_steps_that_are_named_in_the_order_of_the_pipeline_are_taken_from_its_end(tmp_path: Path) -> None:
    config = configured(tmp_path, reco={"steps": ["salt", "reconstruct", "catalog"]})
    made = settings(config, config.pilots["reco"], look({}, 0, 0), name="reco", token="hf-1")
    assert made.steps == ("catalog", "reconstruct", "salt")
