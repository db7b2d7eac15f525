"""`headframe monitoring`: what Prometheus, Alertmanager and Grafana are given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .codes import Code, CommandError
from .session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..monitoring.scraping import Target

out_option = click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write it there; else it is printed."
)
ADDRESS = "HOST:PORT"


@click.group()
def monitoring() -> None:
    """Make what Prometheus, Alertmanager and Grafana are given. docs/monitoring.md says where it goes."""


@monitoring.command()
@click.option("--handbook", metavar="URL", help="Where each alert has its heading.  [default: [alerts] handbook]")
@click.option(
    "--scale",
    type=click.FloatRange(0.001, 1),
    default=1.0,
    help="Shorten how long something must be so, to try the alerts out.",
)
@out_option
@pass_session
def rules(session: Session, handbook: str | None, scale: float, out: Path | None) -> int:
    """Make Prometheus' rules: an alert for each thing that needs somebody, with the limits of [alerts.limits]."""
    from ..monitoring.rules import rules as made

    config = session.config
    heading = handbook or config.alerts.handbook
    file = made(config.instance, config.alerts.limits, pages=config.web.url, handbook=heading, scale=scale)
    return _yaml(file, "headframe.rules.yml", out)


@monitoring.command()
@click.option("--web", metavar=ADDRESS, multiple=True, help="A web process; else that of [web]. May be said again.")
@click.option(
    "--daemon",
    "daemons",
    metavar=f"ROLE={ADDRESS}",
    multiple=True,
    help="The [monitor] port of a daemon. May be said again.",
)
@click.option("--kubernetes", metavar="NAMESPACE", default="", help="Find the pods of this namespace instead.")
@click.option(
    "--alertmanager", "alertmanagers", metavar=ADDRESS, multiple=True, help="Whom to tell. May be said again."
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where reading is closed: a viewer's token, on Prometheus' host.",
)
@click.option(
    "--every", type=click.FloatRange(0.1), default=15.0, show_default=True, help="Seconds between two scrapes."
)
@out_option
@pass_session
def prometheus(
    session: Session, web: Sequence[str], daemons: Sequence[str], kubernetes: str,
    alertmanagers: Sequence[str], token_file: Path | None, every: float, out: Path | None,
) -> int:  # fmt: skip
    """Make Prometheus' own configuration: whom it scrapes and tells. Its rules are headframe.rules.yml beside it."""
    from ..monitoring.scraping import Scraping
    from ..monitoring.scraping import prometheus as made

    config = session.config
    asked = Scraping(
        instance=config.instance,
        web=tuple(web) or (f"{config.web.host}:{config.web.port}",),
        daemons=tuple(map(_target, daemons)),
        namespace=kubernetes,
        alertmanagers=tuple(alertmanagers),
        token_file=token_file,
        every_s=every,
    )
    if config.access.reading == "closed" and token_file is None:
        click.echo(
            "reading is closed: Prometheus needs --token-file (headframe token make prometheus --role viewer > FILE)",
            err=True,
        )
    return _yaml(made(asked), "prometheus.yml", out)


@monitoring.command()
@click.option("--mail-to", metavar="ADDRESS", multiple=True, help="Who gets mail. May be said again.")
@click.option("--mail-from", metavar="ADDRESS", default="", help="From whom mail comes.")
@click.option("--smtp", metavar=ADDRESS, default="", help="The mail server.")
@click.option("--smtp-user", metavar="NAME", default="", help="Who signs in there.")
@click.option("--smtp-password-file", metavar="FILE", type=click.Path(path_type=Path), help="On Alertmanager's host.")
@click.option("--no-tls", is_flag=True, help="The mail server knows no STARTTLS.")
@click.option("--hook", "hooks", metavar="URL", multiple=True, help="A web hook. May be said again.")
@click.option(
    "--hook-token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Its bearer token, on Alertmanager's host.",
)
@click.option(
    "--watchdog", metavar="URL", default="", help="Called each minute while all works: a service that misses it."
)
@out_option
def alertmanager(
    mail_to: Sequence[str], mail_from: str, smtp: str, smtp_user: str, smtp_password_file: Path | None,
    no_tls: bool, hooks: Sequence[str], hook_token_file: Path | None, watchdog: str, out: Path | None,
) -> int:  # fmt: skip
    """Make Alertmanager's configuration: whom it tells by mail or web hook. Secrets stay in their files."""
    from ..monitoring.alertmanager import Hook, Mail, Telling
    from ..monitoring.alertmanager import alertmanager as made

    if not mail_to and not hooks:
        raise CommandError("nobody is told: give --mail-to ADDRESS or --hook URL", Code.USAGE)
    if mail_to and not (mail_from and smtp):
        raise CommandError("--mail-to needs --mail-from ADDRESS and --smtp HOST:PORT", Code.USAGE)
    if bool(smtp_user) != bool(smtp_password_file):
        raise CommandError("--smtp-user and --smtp-password-file go together", Code.USAGE)
    if watchdog and not watchdog.startswith(("http://", "https://")):
        raise CommandError(f"--watchdog {watchdog}: expected http(s)://HOST/...", Code.USAGE)
    mail = Mail(
        smarthost=smtp,
        sender=mail_from,
        to=tuple(mail_to),
        tls=not no_tls,
        user=smtp_user,
        password_file=smtp_password_file,
    )
    told = Telling(
        mail=mail if mail_to else None,
        hooks=tuple(Hook(url, hook_token_file) for url in hooks),
        watchdog=watchdog,
    )
    return _yaml(made(told), "alertmanager.yml", out)


@monitoring.command()
@out_option
@pass_session
def dashboards(session: Session, out: Path | None) -> int:
    """Make Grafana's dashboards, a JSON file each."""
    from ..monitoring.dashboards import dashboards as made
    from .output import to_json

    for name, dashboard in made(session.config.instance):
        _write(f"{to_json(dashboard)}\n", f"headframe-{name}.json", out)
    return Code.DONE


def _target(said: str) -> Target:
    """Read `conductor=host:9400`."""
    from ..monitoring.scraping import Target

    role, equals, address = said.partition("=")
    if not (role and equals and ":" in address):
        raise CommandError(f"--daemon {said}: expected ROLE={ADDRESS}, as conductor=localhost:9401", Code.USAGE)
    return Target(role, address)


def _yaml(made: dict[str, Any], name: str, out: Path | None) -> int:
    import yaml

    said: Callable[..., str] = yaml.safe_dump
    _write(said(made, sort_keys=False, allow_unicode=True, width=110), name, out)
    return Code.DONE


def _write(text: str, name: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / name).write_text(text, encoding="utf-8")
    click.echo(out / name)


COMMANDS = {"monitoring": monitoring}
