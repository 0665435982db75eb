"""Text: where it comes from, how it becomes tokens, and the files it is kept in."""
