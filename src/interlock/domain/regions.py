"""Names of regions: `eu-west-1` lies in `eu`, and in itself."""

from __future__ import annotations


def lies_in(region: str, wanted: str) -> bool:
    """Tell whether a region is the wanted one or a part of it; one without a name lies nowhere."""
    return bool(region) and (region == wanted or region.startswith(f"{wanted}-"))
