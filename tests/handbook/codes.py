"""Every reason code in the code base, found where one is said: by its keyword, or where a function takes one."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

TOP = Path(__file__).parents[2]
FOLDERS = ("consumers", "daemon", "statemachine", "web")
WORDS = {"code", "reason_code"}
"""What a parameter, a field or a column is called that holds one."""
NOT_CODES = {
    "close", "code", "expect", "localhost", "messages", "reason", "reclassify", "resume", "run", "running", "waive",
}  # fmt: skip
"""What stands where a code is made and is none: parts of commands and of sentences, names of columns."""
CODE = re.compile(r"[a-z]+(-[a-z]+)*")
IN_SQL = re.compile(
    r"\breason_code\s*(?:=|<>)\s*'([a-z-]+)'|'([a-z]+(?:-[a-z]+)+)'\s+as\s+reason_code"
    r"|then\s+'([a-z]+(?:-[a-z]+)+)'\s+else\s+\w*\.?reason_code"
)
QUOTED = re.compile(r"'([a-z]+(?:-[a-z]+)+)'")
HEIRS = {"PayloadError": 0, "InfrastructureError": 0, "SkipItem": 0}
"""Errors that take one by what they inherit."""
Places = Mapping[str, set[str]]


Module = tuple[str, list[ast.AST]]


def modules() -> Iterator[Module]:
    """Give each module with its path, as the nodes of its tree."""
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*.py")):
            yield path.relative_to(TOP).as_posix(), list(ast.walk(ast.parse(path.read_text())))


@cache
def said() -> Places:
    """Give each code with the modules that say it."""
    every = list(modules())
    takes, named = dict(_takers(every)), dict(_named(every))
    found: dict[str, set[str]] = defaultdict(set)
    for path, nodes in every:
        for value in (value for node in nodes for value in _values(node, takes)):
            for code in _constants(value, named):
                found[code].add(path)
    for groups in IN_SQL.findall((TOP / "statemachine/queries.sql").read_text()):
        found["".join(groups)].add("statemachine/queries.sql")
    return {code: places for code, places in found.items() if CODE.fullmatch(code) and code not in NOT_CODES}


def _takers(every: list[Module]) -> Iterator[tuple[str, int]]:
    """Name the functions and classes that take a code, and which argument it is."""
    for node in (node for _, nodes in every for node in nodes):
        if isinstance(node, ast.FunctionDef):
            yield from _which(node.name, [each.arg for each in node.args.args if each.arg not in ("self", "cls")])
        elif isinstance(node, ast.ClassDef):
            fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
            yield from _which(node.name, [each.id for each in fields if isinstance(each, ast.Name)])
            made = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
            for init in made:
                yield from _which(node.name, [each.arg for each in init.args.args[1:]])
    yield from HEIRS.items()


def _which(name: str, parameters: list[str]) -> Iterator[tuple[str, int]]:
    yield from ((name, n) for n, parameter in enumerate(parameters) if parameter in WORDS)


def _named(every: list[Module]) -> Iterator[tuple[str, str]]:
    """Give the constants that hold a text with a hyphen, as most codes are."""
    for node in (node for _, nodes in every for node in nodes):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and _hyphened(node.value):
            yield from ((each.id, str(node.value.value)) for each in node.targets if isinstance(each, ast.Name))


def _values(node: ast.AST, takes: Mapping[str, int]) -> Iterator[ast.expr]:
    """Give the expressions that become a code."""
    if isinstance(node, ast.Call):
        yield from _of_call(node, takes)
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (value for key, value in pairs if _names_code(key))
    elif isinstance(node, ast.Assign):
        names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        if any(name.lower() in WORDS or name.endswith(("CODE", "_CODES")) for name in names):
            yield node.value
    elif isinstance(node, ast.Return | ast.Yield) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        yield from (first for first in node.value.elts[:1] if _hyphened(first))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " as code" in node.value:
        yield from (ast.Constant(found) for found in QUOTED.findall(node.value))


def _of_call(node: ast.Call, takes: Mapping[str, int]) -> Iterator[ast.expr]:
    yield from (each.value for each in node.keywords if each.arg in WORDS)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in takes and len(node.args) > takes[name]:
        yield node.args[takes[name]]


def _names_code(key: ast.expr | None) -> bool:
    """Say whether a dictionary holds a code under this key: by its word, or for an error of the system."""
    if isinstance(key, ast.Attribute):
        return getattr(key.value, "id", "") == "errno"
    return isinstance(key, ast.Constant) and key.value in WORDS


def _hyphened(value: ast.expr) -> bool:
    """Say whether this is a text with a hyphen: what is returned first of several may also be something else."""
    text = value.value if isinstance(value, ast.Constant) else None
    return isinstance(text, str) and "-" in text and CODE.fullmatch(text) is not None


def _constants(value: ast.expr, named: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in named:
            yield named[node.id]
