"""What the application is told about its instance: it reads no configuration by itself."""

from typing import Literal

from ..statemachine.records import Record
from ..statemachine.store.campaigns import Book


class Settings(Record):
    """An application's settings.

    `timezone` is the site's, by its IANA name. `url` is the address under which people know the pages; empty: as each
    request says. `reading` is `open` where everybody may look, `closed` where one must sign in for that too. `book`
    says which pipeline each run type follows, for what is sent to the API; none where the application only shows.
    """

    instance: str
    timezone: str = "UTC"
    title: str = "headframe"
    url: str = ""
    reading: Literal["open", "closed"] = "open"
    book: Book | None = None
