"""The formats that rows and predictions come in, and their media types."""

from collections.abc import Mapping
from typing import Literal

Format = Literal["json", "csv", "arrow"]

MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
}
