"""The REST API: answers, its certificate holds, takes the token, and lets it do what a launcher does and no more."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import urllib3

from ....client import Client
from ....client.client import Me
from ....client.errors import ClientError, ProblemError, UnreachableError
from ...config import Config
from ...finding import Finding

SERVICE_S = 10.0
DRIFT_S = 2.0
LAUNCHER = "launcher"
TOO_MUCH = ("operator", "administrator", "blinding-committee")


def service_findings(config: Config) -> Iterator[Finding]:
    """Look at the service as the launcher will meet it."""
    launcher, what = config.launcher, "REST API"
    if not launcher.url:
        yield Finding("fail", what, "launcher.url is not set", "set it to the address of the pages, https://...")
        return
    cafile = str(launcher.cafile) if launcher.cafile else None
    try:
        with Client(launcher.url, token_file=launcher.token_file, timeout_s=SERVICE_S, cafile=cafile) as client:
            me = client.me()
    except UnreachableError as error:
        yield Finding("fail", what, str(error), _unreachable(str(error)), unreachable=True)
        return
    except (ProblemError, ClientError, OSError) as error:
        yield Finding("fail", what, f"{launcher.url}: {error}", "make a token of role launcher, and mend token_file")
        return
    yield _way(launcher.url)
    yield from _roles(me, config.instance)
    yield from _scope(me, launcher.name)
    yield from clock_findings(launcher.url, cafile)


def _unreachable(said: str) -> str:
    if "certificate" in said.lower():
        return "name the authority that signed it in launcher.cafile, or mend the host in launcher.url"
    return "start headframe web, mend launcher.url, or ask whether this host may reach it"


def _way(url: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return Finding("ok", "REST API", f"{url} answers, its certificate holds")
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return Finding("ok", "REST API", f"{url} answers, on this host")
    return Finding("warn", "REST API", f"{url}: the token travels readable", "put TLS in front, and write https://")


def _roles(me: Me, instance: str) -> Iterator[Finding]:
    what, make = "token's roles", "headframe token make ... --role launcher"
    if not me.name:
        yield Finding("fail", what, "the service does not know who asks", f"{make}, into launcher.token_file")
    elif me.instance != instance:
        sentence = f"the service is of instance {me.instance}, this configuration of {instance}"
        yield Finding("fail", "instance", sentence, "mend instance or launcher.url")
    elif many := [role for role in TOO_MUCH if role in me.roles]:
        sentence = f"{me.name} is {', '.join(many)}: a launcher needs less, and its file lies on a shared host"
        yield Finding("warn", what, sentence, f"{make}, and revoke this one")
    elif LAUNCHER not in me.roles:
        sentence = f"{me.name} is {', '.join(me.roles) or 'nothing'}, so it may not start pilots"
        yield Finding("fail", what, sentence, make)
    else:
        yield Finding("ok", what, f"{me.name} may do what a launcher does, and no more")


def _scope(me: Me, launcher: str) -> Iterator[Finding]:
    """Say whether the token speaks for this launcher, and for no other one."""
    own = f"launchers/{launcher}"
    make = f"headframe token make {launcher} --role launcher --only {own}"
    if own in me.resources:
        return
    if me.resources and "launchers" not in me.resources:
        sentence = f"it may change {', '.join(me.resources)}, and this launcher is {launcher}"
        yield Finding("fail", "token's launcher", sentence, f"{make}, or mend launcher.name")
    elif LAUNCHER in me.roles:
        sentence = f"it may speak for launchers of any name, and this one is {launcher}"
        yield Finding("warn", "token's launcher", sentence, f"{make}, and revoke this one")


def clock_findings(url: str, cafile: str | None) -> Iterator[Finding]:
    """Compare this host's clock with the service's, by the date of an answer (whole seconds)."""
    with urllib3.PoolManager(timeout=SERVICE_S, retries=False, ca_certs=cafile) as pool:
        before = datetime.now(UTC)
        answer = pool.request("GET", f"{url.rstrip('/')}/healthz")
        after = datetime.now(UTC)
    said = answer.headers.get("Date")
    if not said:
        yield Finding("warn", "clock", "the service's answer has no date to compare with", "look by hand: date -u")
        return
    there = parsedate_to_datetime(said)
    # The date has been cut to a second, so it may be up to one behind.
    drift = max(0.0, (before - there).total_seconds() - 1, (there - after).total_seconds())
    if drift > DRIFT_S:
        yield Finding("warn", "clock", f"{drift:.1f} s from the service's", "times of pilots will mislead: run NTP")
    else:
        yield Finding("ok", "clock", "agrees with the service's")
