"""Steps for places on the earth."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, names_of
from skyulf.core.registry import ALL_KINDS, NUMERIC, BuildContext, NumberStep, Output, Reads

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class GeoDistance(NumberStep):
    """Adds the distance in kilometres between two places, or of one from a point; degrees in.

    The other place stands in the columns ``to_latitude`` and ``to_longitude``, or is the ``point`` (latitude and
    longitude). By the haversine formula on a sphere of 6,371.0088 km, which is off by 0.5 % at most (Sinnott, Sky and
    Telescope 68, 1984). Where a cell is missing, so is the distance. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "geo_distance"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS
    takes_generated: ClassVar[bool] = False
    by_name: ClassVar[bool] = True
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.formulas.GeoDistance",)

    latitude: str
    longitude: str
    to_latitude: str | None = None
    to_longitude: str | None = None
    point: tuple[Latitude, Longitude] | None = Field(default=None, strict=False)

    @model_validator(mode="after")
    def _there_is_one_other_place(self) -> Self:
        if (self.to_latitude is None) != (self.to_longitude is None):
            raise ValueError("to_latitude and to_longitude belong together")
        if (self.to_latitude is None) == (self.point is None):
            raise ValueError("name the other place either by to_latitude and to_longitude or by point")
        return self

    def _named(self) -> list[str]:
        names = [self.latitude, self.longitude, self.to_latitude, self.to_longitude]
        return [name for name in names if name is not None]

    def reads(self) -> Mapping[str, Reads]:
        """Name the columns of the places."""
        return {
            parameter: ([getattr(self, parameter)], NUMERIC)
            for parameter in ("latitude", "longitude", "to_latitude", "to_longitude")
            if getattr(self, parameter) is not None
        }

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column."""
        name = f"distance of {', '.join(self._named())}"
        return (Made(names_of(sources), name, name, 1, 1, any(source.nullable for source in sources)),)

    def build(self, context: BuildContext) -> Any:
        """Make a GeoDistance for columns that stand as they are named."""
        return self.build_on(context, self._named())

    def build_on(self, context: BuildContext, columns: Sequence[str]) -> Any:
        """Make a GeoDistance for columns of these names."""
        from skyulf.core import formulas

        places = [list(columns).index(name) for name in self._named()]
        return formulas.GeoDistance(places, None if self.point is None else list(self.point))


class H3Cells(NumberStep):
    """Adds a column of 0 and 1 for each of the commonest cells of Uber's H3 grid that training rows lie in.

    A cell of ``resolution`` 0 is some 4,000,000 km² large, of 5 some 250, of 8 three quarters of one; at most
    ``max_cells`` cells have a column, a row in any other, or without a place, has 0 in all. Builds on h3, an extra
    (pip install 'skyulf[h3]'). Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "h3_cells"
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS
    takes_generated: ClassVar[bool] = False
    by_name: ClassVar[bool] = True
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.grid.H3Cells",)
    needs: ClassVar[str | None] = "h3"

    latitude: str
    longitude: str
    resolution: int = Field(default=5, ge=0, le=15)
    max_cells: int = Field(default=50, ge=1)

    def reads(self) -> Mapping[str, Reads]:
        """Name the columns of the place."""
        return {"latitude": ([self.latitude], NUMERIC), "longitude": ([self.longitude], NUMERIC)}

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each of the commonest cells."""
        text = f"one for each cell of {self.latitude}, {self.longitude}, at most {self.max_cells}"
        return (Made(names_of(sources), text, most=self.max_cells),)

    def build(self, context: BuildContext) -> Any:
        """Make an H3Cells for columns that stand as they are named."""
        return self.build_on(context, [self.latitude, self.longitude])

    def build_on(self, context: BuildContext, columns: Sequence[str]) -> Any:
        """Make an H3Cells for columns of these names."""
        from skyulf.core import grid

        places = [list(columns).index(name) for name in (self.latitude, self.longitude)]
        return grid.H3Cells(places, self.resolution, self.max_cells)
