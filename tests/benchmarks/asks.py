"""Every address that shows something, on a filled database: all pages, all lists of the API with each filter."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from marshmallow import fields, validate
from werkzeug.routing import Rule

from .scale import Scale

ELSEWHERE = ("static", "vendor.show", "metrics.metrics", "health.healthz", "health.livez", "act.ask", "pilots.of_job")
"""Not lists: files, what Prometheus reads, whether the process is well or there, a form, what leads elsewhere."""
SAMPLES: Mapping[str, Mapping[str, str]] = {
    "/runs": {"number": "{run}"},
    "/files": {"number": "{file}", "file": "{file}"},
    "/products": {"number": "{file}"},
    "/dead-letters": {"number": "1"},
    "/operations": {"number": "1"},
    "/campaigns": {"name": "realtime"},
    "/attempts": {"item": "{file}", "epoch": "1"},
    "/pilots": {"number": "1", "job": "4711"},
    "/workers": {"name": "w-1", "owner": "w-1"},
}
ASKED = {
    "run": "{run}", "number": "{run},1-20", "file": "{file}", "item": "{file}", "product": "{file}",
    "state": "placed", "phase": "failed", "kind": "science", "type": "rq", "campaign": "realtime",
    "name": "run000007_00007.h5", "step": "reconstruct", "reason_code": "exit-3", "host": "node03", "site": "center",
    "role": "raw", "status": "verified", "outcome": "failed", "actor": "anna", "action": "resolve",
    "code": "vanished", "queue": "arrivals", "owner": "w-1", "subject": "inbox/stray_7.dat", "limit": "1000",
    "q": "state:placed", "trigger": "succeed", "standing": "idle", "quality": "good", "family": "x", "text": "real",
    "note": "x", "fields": "", "after": "", "job": "4711", "pilot": "1", "launcher": "perlmutter",
}  # fmt: skip
"""A value for each filter that is a word, by its name; empty: not asked by itself."""


def addresses(app: Flask, made: Scale, day: str) -> list[str]:
    """Give all addresses. Raises `LookupError` for a route or a filter that nobody gave a sample of."""
    known = {"run": str(made.runs - 20), "file": str(made.files // 2), "day": day}
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in ELSEWHERE and not _is_personal(rule):
            path = _path(rule).format(**known)
            found.append(path)
            found += [f"{path}?{asked.format(**known)}" for asked in _filters(app, rule)]
    return sorted(set(found))


def _is_personal(rule: Rule) -> bool:
    """Leave out signing in and one's own account, which are no lists."""
    return rule.endpoint.split(".")[0] in ("account", "sign_in", "oidc", "live")


def _path(rule: Rule) -> str:
    kept = rule.rule.removeprefix("/api/v1")
    samples = next((each for start, each in SAMPLES.items() if kept.startswith(start)), {})
    path = rule.rule
    for name in sorted(rule.arguments):
        if name not in samples:
            raise LookupError(f"{rule.rule}: say in SAMPLES what {name} is to be")
        start = path.index("<")
        while not path[start : path.index(">", start) + 1].endswith((f":{name}>", f"<{name}>")):
            start = path.index("<", start + 1)
        path = path[:start] + samples[name] + path[path.index(">", start) + 1 :]
    return path


def _filters(app: Flask, rule: Rule) -> Iterator[str]:
    view: Any = app.view_functions[rule.endpoint]
    for schema, location in getattr(view, "_spec", {}).get("args", []):
        if location != "query":
            continue
        for name, field in schema.fields.items():
            called = field.data_key or name
            if called == "sort":
                within = "&run={run}" if rule.rule.endswith("/files") else ""  # which are sorted within a run only
                yield from (f"sort={choice}{within}" for choice in field.validate.choices)
            elif value := _value(rule, called, field):
                yield f"{called}={value}"


def _value(rule: Rule, called: str, field: Any) -> str:
    if called in ASKED:
        return ASKED[called]
    for kind, value in ((fields.Boolean, "true"), (fields.DateTime, "{day}"), (fields.Integer, "1")):
        if isinstance(field, kind):
            return value
    if isinstance(field.validate, validate.OneOf):
        return str(next(iter(field.validate.choices)))
    raise LookupError(f"{rule.rule}: say in ASKED what {called} is to be")
