"""What has to fit together in `[alerts]`."""

from .alerting import HANDBOOK, AlertsConfig, HookConfig, MailConfig
from .errors import Mistakes

KEY = "alerts"


def check_alerts(alerts: AlertsConfig, mistakes: Mistakes) -> None:
    """Note everything that does not fit together; no URL is shown, for it may be a secret."""
    _mail(alerts.mail, mistakes)
    for name, hook in alerts.hooks.items():
        _hook(hook, f"{KEY}.hook.{name}", mistakes)
    if alerts.heartbeat_url and alerts.heartbeat_url_file:
        mistakes.add(f"{KEY}.heartbeat_url_file", f"is set beside {KEY}.heartbeat_url; only one of them is possible")
    elif alerts.heartbeat_url:
        _url(alerts.heartbeat_url, f"{KEY}.heartbeat_url", mistakes)
    if alerts.handbook != HANDBOOK:
        _url(alerts.handbook, f"{KEY}.handbook", mistakes)
        if "#" in alerts.handbook or not alerts.handbook.isprintable() or " " in alerts.handbook:
            mistakes.add(f"{KEY}.handbook", "has a # or a blank; expected the page alone, #code is put behind it")


def _mail(mail: MailConfig, mistakes: Mistakes) -> None:
    key = f"{KEY}.mail"
    if not mail.host:
        if mail.to:
            mistakes.add(f"{key}.host", "is missing; set the mail server that takes mail for alerts.mail.to")
        return
    if not mail.to:
        mistakes.add(f"{key}.to", "is missing; say who is told, as a list of addresses")
    if not _address(mail.sender):
        mistakes.add(f"{key}.from", "is no mail address; expected a name such as headframe@example.org")
    for address in mail.to:
        if not _address(address):
            mistakes.add(f"{key}.to", f'"{address}" is no mail address')
    if mail.user and mail.password_file is None:
        mistakes.add(f"{key}.password_file", f"is missing; {key}.user needs the file with its password")
    if mail.user and mail.tls == "none":
        mistakes.add(f"{key}.tls", f'is "none", and {key}.user would send its password in clear; set starttls or tls')


def _hook(hook: HookConfig, key: str, mistakes: Mistakes) -> None:
    if bool(hook.url) == (hook.url_file is not None):
        mistakes.add(f"{key}.url", "has to be set, or url_file: one of them")
    elif hook.url:
        _url(hook.url, f"{key}.url", mistakes)
    if not hook.severities:
        mistakes.add(f"{key}.severities", 'is empty; expected "page", "ticket" or both')


def _url(url: str, key: str, mistakes: Mistakes) -> None:
    if not url.startswith(("http://", "https://")):
        mistakes.add(key, "is no URL of the web; expected http(s)://host/path")


def _address(said: str) -> bool:
    name, at, host = said.rpartition("@")
    return bool(name and at and host) and said.isprintable() and " " not in said and "," not in said
