"""All randomness: generators that follow from what they are for, and from nothing else."""

from hashlib import sha256

from torch import Generator


def generator(purpose: str, *keys: int | str) -> Generator:
    """A generator of its own for each purpose and keys: `generator("batches", seed, step)`."""
    state = sha256(repr((purpose, *keys)).encode()).digest()
    return Generator().manual_seed(int.from_bytes(state[:8]))
