"""What a request to the API may ask: the parts that all lists share, and how what is wrong is said."""

from typing import Any

from apiflask import Schema
from marshmallow import ValidationError, fields, validate

LARGEST_PAGE = 1000


class Fields(fields.String):
    """Names of fields, apart by commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        said = super()._deserialize(value, attr, data, **kwargs)
        return tuple(name.strip() for name in said.split(",") if name.strip())


class Storable(validate.Validator):
    """Refuses what no record can hold."""

    def __call__(self, value: str) -> str:
        """Check a value."""
        if "\0" in value or len(value) > 500:
            raise ValidationError("this is too long, or holds a character that no name can hold")
        return value


def word(said: str) -> fields.String:
    """Give a filter that is a word; `said` describes it."""
    return fields.String(validate=Storable(), metadata={"description": said})


class One(Schema):
    """What may be asked of one record."""

    wanted = Fields(data_key="fields", load_default=(), metadata={"description": "only these fields, apart by commas"})


class Part(One):
    """What may be asked of every list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, LARGEST_PAGE), metadata={"description": "rows"})
    after = fields.String(load_default="", metadata={"description": "`next` of the page before"})
