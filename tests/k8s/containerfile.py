"""Read a Containerfile: its stages, and in each the instructions with their continued lines joined."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One line: `RUN`, and what stands behind it."""

    word: str
    rest: str

    def words(self) -> list[str]:
        """Give what stands behind it as words: the JSON form or a shell's."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """What lies between one FROM and the next."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """Give all instructions of a kind."""
        return [each for each in self.instructions if each.word == word]


@dataclass
class Containerfile:
    """All stages in order; `arguments` are the ARGs before the first, with their defaults."""

    stages: dict[str, Stage]
    arguments: dict[str, str]

    def lineage(self, name: str) -> list[Stage]:
        """Give a stage with those it stands on, the bottom first."""
        stage = self.stages[name]
        return [*(self.lineage(stage.base) if stage.base in self.stages else []), stage]


def read(path: Path) -> Containerfile:
    """Read one. Raises `ValueError` for a stage without a name."""
    found = Containerfile({}, {})
    stage: Stage | None = None
    for line in _lines(path.read_text(encoding="utf-8")):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = _stage(rest, found.arguments)
            found.stages[stage.name] = stage
        elif stage is None:
            key, _, value = rest.partition("=")
            found.arguments[key] = value
        else:
            stage.instructions.append(Instruction(word, rest.strip()))
    return found


def _stage(rest: str, arguments: dict[str, str]) -> Stage:
    match = re.fullmatch(r"(\S+) AS (\S+)", rest)
    if match is None:
        raise ValueError(f"FROM {rest}: a stage has to have a name")
    base = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], match[1])
    return Stage(match[2], base)


def _lines(text: str) -> list[str]:
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(kept)).splitlines()
