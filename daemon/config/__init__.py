"""The configuration: the only reader of the configuration file and of the environment."""

from .errors import ConfigError
from .load import find, load
from .model import Config
from .secrets import read_secret

__all__ = ["Config", "ConfigError", "find", "load", "read_secret"]
