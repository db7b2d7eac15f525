"""A program, run by the code of any release: writes a specimen of each message and record, or reads those of another.

`write`: prints each, as JSON by name, once with every field it has and once with none that it can do without.
`read`: takes such JSON from its input, reads all that this release knows, and prints them as it would send them on.
"""

import json
import sys
from typing import Any

import msgspec

from headframe.consumers import messages
from headframe.statemachine import piloting

KINDS: dict[str, Any] = {
    **{each.__name__: each for each in messages.Message.__subclasses__()},
    **{each.__name__: each for each in (piloting.Round, piloting.PilotWish, piloting.Orders)},
}


def specimen(kind: Any, *, full: bool) -> Any:
    """Make one: with all fields, or with those alone that it must have."""
    info = msgspec.inspect.type_info(kind)
    return msgspec.convert(_of(info, full=full), kind)


def _of(info: Any, *, full: bool) -> Any:
    name = type(info).__name__
    if name == "StructType":
        found = {f.encode_name: _of(f.type, full=full) for f in info.fields if f.required or full}
        if info.tag_field:
            found[info.tag_field] = info.tag
        return {**found, **({"version": 1} if "version" in found and info.tag_field else {})}
    return _MAKERS[name](info, full)


def _first(info: Any, full: bool) -> Any:
    """Take the first of a union that says something."""
    return _of(next(each for each in info.types if type(each).__name__ != "NoneType"), full=full)


_MAKERS: dict[str, Any] = {
    "StrType": lambda *_: "x1",
    "IntType": lambda *_: 7,
    "FloatType": lambda *_: 1.5,
    "BoolType": lambda *_: True,
    "DateTimeType": lambda *_: "2026-11-22T10:00:00Z",
    "AnyType": lambda *_: "anything",
    "LiteralType": lambda info, _: sorted(info.values)[0],
    "EnumType": lambda info, _: next(iter(info.cls)).value,
    "UnionType": _first,
    "DictType": lambda info, full: {"k1": _of(info.value_type, full=full)},
    "VarTupleType": lambda info, full: [_of(info.item_type, full=full)] if full else [],
    "TupleType": lambda info, full: [_of(each, full=full) for each in info.item_types],
}


def write() -> dict[str, Any]:
    """Give all specimens as plain JSON."""
    found = {}
    for name, kind in KINDS.items():
        for what in ("full", "bare"):
            found[f"{name} {what}"] = json.loads(msgspec.json.encode(specimen(kind, full=what == "full")))
    return found


def read(given: dict[str, Any]) -> dict[str, Any]:
    """Give, of each that this release knows, what it read; messages by the way they take from a queue."""
    found = {}
    for name, body in given.items():
        kind = KINDS.get(name.split(" ", maxsplit=1)[0])
        if kind is None:
            continue
        raw = json.dumps(body).encode()
        is_message = issubclass(kind, messages.Message)
        got = messages.decode(raw, kind) if is_message else msgspec.json.decode(raw, type=kind)
        found[name] = json.loads(msgspec.json.encode(got))
    return found


if __name__ == "__main__":
    done = write() if sys.argv[1] == "write" else read(json.load(sys.stdin))
    json.dump(done, sys.stdout, indent=1, sort_keys=True)
