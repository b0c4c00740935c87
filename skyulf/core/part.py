"""What every part of a spec is: frozen, closed, and silent about the values that it was given."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(strict=True, min_length=1)]


def is_left_out(value: Any) -> bool:
    """Leave fields that few specs have out of the record of the others."""
    return value is None


class Part(BaseModel):
    """Base of the parts of a spec."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, serialize_by_alias=True
    )
