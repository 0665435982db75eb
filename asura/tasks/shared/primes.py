"""Moduli of tasks whose values are taken modulo a prime."""

from math import isqrt


def odd_prime(modulus: int) -> int:
    """The modulus itself. Raises ValueError where it is no odd prime."""
    if any(modulus % divisor == 0 for divisor in range(2, isqrt(modulus) + 1)):
        raise ValueError(f"it must be an odd prime, so that all answers are equally likely, found {modulus}")
    return modulus
