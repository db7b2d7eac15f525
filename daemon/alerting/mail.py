"""Mail: one message a notice, to all addresses."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from ..config import ConfigError, read_secret
from ..config.alerting import MailConfig, Severities
from . import notice, tls
from .receivers import RefusedNoticeError, UndeliveredError

TIMEOUT_S = 10.0
CAFILE = "alerts.mail.cafile"


class Mail:
    """Tells people by mail."""

    def __init__(self, config: MailConfig, instance: str) -> None:
        self.name, self.config, self.instance = "mail", config, instance
        self.severities: Severities = config.severities

    def described(self) -> str:
        """Say where it goes."""
        return f"{', '.join(self.config.to)} by {self.config.host}:{self.config.port}"

    def send(self, number: int, body: dict[str, Any]) -> None:
        """Send a notice. Raises `UndeliveredError`."""
        where = f"{self.config.host}:{self.config.port}"
        try:
            with self._server() as server:
                self._greet(server)
                left = server.send_message(self.message(number, body), self.config.sender, list(self.config.to))
        except smtplib.SMTPRecipientsRefused as error:
            raise UndeliveredError(f"{where} takes mail for none of these: {', '.join(error.recipients)}") from error
        except smtplib.SMTPResponseException as error:
            text = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            kind = (
                RefusedNoticeError
                if isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 550
                else UndeliveredError
            )
            raise kind(f"{where} answered {error.smtp_code}: {text}") from error
        except ssl.SSLCertVerificationError as error:
            raise UndeliveredError(f"{where}: {tls.untrusted(error, CAFILE)}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise UndeliveredError(f"{where}: {error or type(error).__name__}") from error
        if left:
            # Those who got it must not get it again for the sake of the others; it is said where the others are seen.
            raise RefusedNoticeError(f"{where} takes no mail for {', '.join(left)}; the others got it")

    def message(self, number: int, body: dict[str, Any]) -> EmailMessage:
        """Write the message. Its Message-ID is the same each time, so that mail programs show it once."""
        made = EmailMessage()
        made["From"], made["To"] = self.config.sender, ", ".join(self.config.to)
        made["Subject"], made["Date"] = notice.subject(body), formatdate()
        domain = self.config.sender.rpartition("@")[2].strip("<> ") or "headframe"
        made["Message-ID"] = f"<headframe-{self.instance}-{number}@{domain}>"
        # One thread for all, and no answers of programs that are on holiday.
        made["References"] = f"<headframe-{self.instance}@{domain}>"
        made["Auto-Submitted"] = "auto-generated"
        made["X-Headframe-Notice"] = str(number)
        made.set_content(notice.plain(body))
        return made

    def _server(self) -> smtplib.SMTP:
        config = self.config
        if config.tls == "tls":
            return smtplib.SMTP_SSL(config.host, config.port, timeout=TIMEOUT_S, context=self._context())
        return smtplib.SMTP(config.host, config.port, timeout=TIMEOUT_S)

    def _greet(self, server: smtplib.SMTP) -> None:
        if self.config.tls == "starttls":
            server.starttls(context=self._context())
        if self.config.user:
            server.login(self.config.user, self._password())

    def _password(self) -> str:
        if self.config.password_file is None:
            return ""
        try:
            return read_secret(self.config.password_file, "alerts.mail.password_file")
        except ConfigError as error:
            raise UndeliveredError(str(error)) from error

    def _context(self) -> ssl.SSLContext:
        return tls.context(self.config.cafile, CAFILE)
