"""`python -m asura`."""

from asura.cli import main

main()
