"""The one error a user is meant to see."""


class UserError(Exception):
    """Bad input. Its text is one line: what was wrong, where, and what is right."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
