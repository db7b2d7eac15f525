"""What a request to the API may ask: the parts that all lists share, and how what is wrong is said."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from apiflask import Schema
from marshmallow import ValidationError, fields, validate

from ...statemachine.views import Page
from .. import asked as page_asked

LARGEST_PAGE = 1000
LARGEST = page_asked.LARGEST


class Fields(fields.String):
    """Names of fields, apart by commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        said = super()._deserialize(value, attr, data, **kwargs)
        return tuple(name.strip() for name in said.split(",") if name.strip())


class Whole(fields.Integer):
    """A whole number, written in digits and in no other way."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not (isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20):
            raise ValidationError("this is no whole number, or too large a one")
        return super()._deserialize(value, attr, data, **kwargs)


class Moment(fields.AwareDateTime):
    """A time that a column can hold, whatever its zone; it arrives in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs).astimezone(UTC)
        except OverflowError as error:
            raise ValidationError("this is out of reach") from error


class Numbers(fields.String):
    """Run numbers and ranges of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        said = super()._deserialize(value, attr, data, **kwargs)
        return page_asked.numbers_in(said)


class Storable(validate.Validator):
    """Refuses what no record can hold."""

    def __call__(self, value: str) -> str:
        """Check a value."""
        if not page_asked.fits(value):
            raise ValidationError(page_asked.UNFIT)
        return value


def word(said: str) -> fields.String:
    """Give a filter that is a word; `said` describes it."""
    return fields.String(validate=Storable(), metadata={"description": said, "maxLength": page_asked.LONGEST})


def number(said: str, most: int = LARGEST) -> fields.Integer:
    """Give a filter that is a whole number, not negative."""
    return Whole(validate=validate.Range(0, most), metadata={"description": said})


def numbers(said: str) -> fields.String:
    """Give a filter that is run numbers and ranges; it arrives as a tuple of numbers."""
    pattern = r"^\s*([0-9]{1,18}(-[0-9]{1,18})?([\s,;]+|$))*$"
    return Numbers(metadata={"description": said, "pattern": pattern, "default": ""}, load_default=())


def moment(said: str) -> fields.AwareDateTime:
    """Give a filter that is a time; one without a zone is UTC."""
    return Moment(format="iso", default_timezone=UTC, metadata={"description": said})


def flag(said: str) -> fields.Boolean:
    """Give a filter that is `true` or `false`."""
    return fields.Boolean(
        truthy={"true", "1"}, falsy={"false", "0"}, load_default=False, metadata={"description": said}
    )


def either(said: str) -> fields.Boolean:
    """Give a filter that is `true`, `false`, or not asked."""
    return fields.Boolean(truthy={"true", "1"}, falsy={"false", "0"}, metadata={"description": said})


def sort(said: str, among: tuple[str, ...]) -> fields.String:
    """Give the order of a list, called `order` in what was asked; the first of `among` is the usual one."""
    order = choice(said, among, among[0])
    order.data_key = "sort"
    return order


def choice(said: str, among: tuple[str, ...], usual: str | None = None) -> fields.String:
    """Give a filter that is one of some words."""
    default: dict[str, Any] = {} if usual is None else {"load_default": usual}
    return fields.String(validate=validate.OneOf(among), metadata={"description": said}, **default)


class One(Schema):
    """What may be asked of one record."""

    wanted = Fields(
        data_key="fields",
        load_default=(),
        metadata={"description": "only these fields, apart by commas", "default": ""},
    )


class Changing(Schema):
    """How a change is to be made."""

    dry_run = flag("say exactly what would change, change nothing")


class Part(One):
    """What may be asked of every list."""

    limit = Whole(load_default=50, validate=validate.Range(1, LARGEST_PAGE), metadata={"description": "rows"})
    after = fields.String(
        load_default="", validate=validate.Length(max=8000), metadata={"description": "`next` of the page before"}
    )


def page(query: Mapping[str, Any]) -> Page:
    """Give the part of a list that is asked for."""
    return Page(limit=query["limit"], after=query["after"])


def filters(query: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """Give what is asked of a list besides which part of it; nothing for what is empty."""
    other = {"wanted", "limit", "after", *without}
    return {name: value for name, value in query.items() if name not in other and value != ""}
