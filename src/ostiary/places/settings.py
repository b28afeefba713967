"""Where places are looked up, and from which countries anybody may come."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ostiary.places.countries import COUNTRIES


class PlaceSettings(BaseModel):
    """Databases of places, and rules on countries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: Path | None = Field(
        None, description="A MaxMind-format file of cities or countries, such as `GeoLite2-City.mmdb`."
    )
    asn_database: Path | None = Field(None, description="A MaxMind-format file of networks' numbers.")
    allowed_countries: tuple[str, ...] = Field(
        (), description="Codes (ISO 3166-1, such as `FR`) of the only countries to come from; none is all."
    )
    denied_countries: tuple[str, ...] = Field((), description="Codes of countries that nobody may come from.")
    refuse_unknown: bool = Field(
        default=False, description="With `allowed_countries`: refuse also who comes from nobody knows where."
    )

    @field_validator("allowed_countries", "denied_countries")
    @classmethod
    def _are_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if code not in COUNTRIES:
                raise ValueError("each must be a country's code in ISO 3166-1, in capitals, such as FR")
        return codes

    @model_validator(mode="after")
    def _decide_something(self) -> Self:
        if self.allowed_countries and self.denied_countries:
            raise ValueError("give allowed_countries or denied_countries: a country in neither list would be unclear")
        if (self.allowed_countries or self.denied_countries) and self.database is None:
            raise ValueError("rules on countries need places.database: without it no country is known")
        if self.refuse_unknown and not self.allowed_countries:
            raise ValueError("refuse_unknown needs allowed_countries: alone it would refuse by chance")
        return self
