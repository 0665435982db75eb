"""Depths of examples in training and in the split `deeper`."""


def check_depths(shallowest: int, depth: int, extrapolate_to: int) -> None:
    """Raises ValueError where these are not in this order."""
    if shallowest > depth:
        raise ValueError(f"shallowest must be at most depth, {depth}, found {shallowest}")
    if extrapolate_to < depth:
        raise ValueError(f"extrapolate_to must be at least depth, {depth}, found {extrapolate_to}")
