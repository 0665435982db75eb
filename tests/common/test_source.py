"""A digest of source code changes with what the code says, and with nothing else."""

from asura.common.source import reached, source_digest, stripped

SOURCE = '''"""A module; it has "quotes"."""
import os  # for its path


class Größe:
    """A class."""
    ü: int = 1  # ünit
    """Of the field, over
    two lines."""

    def of(self, x):
        """Ä doc."""
        text = """# no comment
        """
        return f"# {x}" + text  # one
'''


def test_comments_docstrings_and_blank_lines_are_left_out():
    assert (
        stripped(SOURCE)
        == """import os
class Größe:
    ü: int = 1
    def of(self, x):
        text = \"\"\"# no comment
        \"\"\"
        return f"# {x}" + text"""
    )
    assert stripped(stripped(SOURCE)) == stripped(SOURCE)


def test_code_is_not_left_out():
    assert stripped(SOURCE.replace("= 1", "= 2")) != stripped(SOURCE)
    assert stripped(SOURCE.replace("# no comment", "# another")) != stripped(SOURCE)
    assert stripped(SOURCE.replace("# one", "# two").replace("A class", "The class")) == stripped(SOURCE)


def test_modules_are_followed_by_their_imports():
    found = reached(["asura.models.asura"], ("asura.models.",), ())
    assert {"asura.models.asura", "asura.models.adapters", "asura.models.layers", "asura.models.model"} <= found
    assert "asura.models.deq" not in found and "asura.models" not in found
    assert source_digest(found) != source_digest(found - {"asura.models.layers"})
    assert source_digest(sorted(found)) == source_digest([*found, *found])
