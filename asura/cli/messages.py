"""What went wrong, in one line."""

from asura.common.errors import UserError


def in_a_line(error: BaseException) -> str | None:
    """What an error that may happen to a user says; None for a mistake of this package, whose traceback is needed."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, MemoryError | RuntimeError):
        from asura.training.devices import is_out_of_memory

        if is_out_of_memory(error):
            return f"out of memory: {' '.join(str(error).split())}"
    return None
