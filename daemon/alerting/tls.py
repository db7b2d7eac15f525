"""TLS on the way to receivers: whom to trust, and what is wrong with a certificate, in words."""

import ssl
from pathlib import Path

from .receivers import UndeliveredError


def context(cafile: Path | None, key: str) -> ssl.SSLContext:
    """Trust the authorities of a file, or else the system's. Raises `UndeliveredError` where it cannot be read."""
    try:
        return ssl.create_default_context(cafile=str(cafile) if cafile else None)
    except OSError as error:  # an ssl.SSLError is one
        what = "has no certificate" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        raise UndeliveredError(f"{key}: {cafile} {what}") from error


def untrusted(error: ssl.SSLCertVerificationError, key: str) -> str:
    """Say what is wrong with a certificate, and where to say whom to trust."""
    return f"its certificate is not trusted: {error.verify_message.rstrip('.')}; {key} names the authority to trust"
