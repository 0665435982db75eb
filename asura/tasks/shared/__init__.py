"""What tasks share, none of it a task of its own."""
