"""Every replica on disk: there, of the right size, with both checksums."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, Row, text
from zlib_ng import zlib_ng

from .fault import Fault, Resolve

PAGE = 1000
CHUNK = 4 * 1024 * 1024

PRESENT = text("""
select r.id, r.site, r.path, r.link, r.size, coalesce(nullif(r.adler32, ''), p.adler32, f.adler32, '') as adler32,
  coalesce(nullif(r.blake3, ''), p.blake3, f.blake3, '') as blake3
from replica r left join product p on p.id = r.product_id left join file f on f.id = r.file_id and r.product_id is null
where r.id > :after and r.status in ('present', 'verified') and r.retired_at is null
order by r.id limit :page
""")


def whole(conn: Connection, resolve: Resolve) -> Iterator[Fault]:
    """Read each replica that counts as present, once. A file that is not hashed yet is checked for its size."""
    after = 0
    while rows := conn.execute(PRESENT, {"after": after, "page": PAGE}).all():
        for row in rows:
            yield from _check(row, resolve)
        after = rows[-1].id


def _check(row: Row[Any], resolve: Resolve) -> Iterator[Fault]:
    subject = f"{row.site}:{row.path}"
    try:
        path = resolve(row.site, row.path)
        wrong = _wrong(path, row)
        link = resolve(row.site, row.link) if row.link else None
    except KeyError:
        yield Fault(code="site-unknown", subject=subject, sentence=f"site {row.site} is not configured here")
        return
    except OSError as error:
        yield Fault(code="replica-unreadable", subject=subject, sentence=f"{error.strerror or error}")
        return
    if wrong is not None:
        yield Fault(code=wrong[0], subject=subject, sentence=wrong[1])
    elif link is not None and not _leads_to(link, path):
        sentence = f"its readable name {row.link} does not lead to it"
        yield Fault(code="link-broken", subject=subject, sentence=sentence)


def _wrong(path: Path, row: Row[Any]) -> tuple[str, str] | None:
    if not path.is_file():
        return "replica-missing", f"{path} is not there"
    size = path.stat().st_size
    if size != row.size:
        return "replica-size", f"{size} bytes on disk, {row.size} in the catalog"
    if not row.adler32 and not row.blake3:
        return None
    adler32, hashed = _sums(path)
    for name, found, wanted in (("adler32", adler32, row.adler32), ("blake3", hashed, row.blake3)):
        if wanted and found != wanted:
            return "replica-checksum", f"{name} is {found} on disk, {wanted} in the catalog"
    return None


def _sums(path: Path) -> tuple[str, str]:
    adler, blake = 1, blake3()
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            adler = zlib_ng.adler32(chunk, adler)
            blake.update(chunk)
    return f"{adler:08x}", blake.hexdigest()


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return link.samefile(path)
    except OSError:
        return False
