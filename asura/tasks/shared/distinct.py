"""Lists of numbers of which none occurs twice."""


def distinct(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers themselves. Raises ValueError where one occurs twice."""
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"the numbers must be distinct, found {list(numbers)}")
    return numbers
