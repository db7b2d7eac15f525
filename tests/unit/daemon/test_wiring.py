"""What a process is told, from the configuration."""

import msgspec

from headframe.daemon.config import Config
from headframe.daemon.wiring import worker_settings


def test_a_worker_takes_what_is_nearest_to_its_end_first_unless_told_otherwise() -> None:
    config = Config()
    assert worker_settings(config).steps == ("catalog", "reconstruct", "place", "salt")
    told = msgspec.structs.replace(config, worker=msgspec.structs.replace(config.worker, steps=("salt", "place")))
    assert worker_settings(told).steps == ("salt", "place")
    assert worker_settings(config, ["place"]).steps == ("place",)
