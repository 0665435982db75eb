"""The short table for papers, and tables as LaTeX."""

import pandas as pd

from asura.reporting.comparing import NO_DIFFERENCE, Comparing
from asura.reporting.external import with_external
from asura.reporting.frames import CELL, STUDY_MODEL, Results, members

LATEX = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"})
GROUP = "group"
"""The column of a table whose rows LaTeX sets in groups."""
PAPER_CAPTION = (
    "Mean score over seeds, difference from the cell at the head of each group, paired by seed, with its interval, "
    "non-embedding parameters, and training FLOPs. An arrow shows whether more or less is better."
)
COLUMNS = [GROUP, "model", "metric", "score", "difference", "difference_low", "difference_high"]
COLUMNS += ["parameters", "training_flops"]
SYMBOLS = {"↑": r"\ensuremath{\uparrow}", "↓": r"\ensuremath{\downarrow}", "≥": r"\ensuremath{\geq}"}
SYMBOLS |= {"±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}"}


def paper(results: Results) -> pd.DataFrame:
    """Every cell and its controls, named by what they are: score, control minus cell, and cost."""
    comparing = Comparing(results)
    rows = []
    for member in members(results).itertuples():
        is_control = member.role not in (CELL, STUDY_MODEL)
        row = {"task": member.task, GROUP: f"{member.task}: {member.cell}"}
        row |= {"model": member.role if is_control else member.label}
        row |= {"metric": comparing.metric(member.task), **comparing.mean(member.task, member.label)}
        row |= comparing.difference(member.task, member.label, member.cell) if is_control else NO_DIFFERENCE
        rows.append(row | {"parameters": member.parameters, "training_flops": member.training_flops})
    table = with_external(pd.DataFrame(rows, columns=["task", *COLUMNS]), results)
    if "source" not in table:
        return table[COLUMNS]
    apart = table["task"] + ": " + table["role"]
    return table.assign(**{GROUP: table[GROUP].fillna(apart)})[[*COLUMNS, "source"]]


def as_latex(text: pd.DataFrame, column_format: str, caption: str | None = None) -> str:
    """A table of text as LaTeX with booktabs; with a caption, as a float whose rows stand in groups."""
    groups = text.get(GROUP) if caption else None
    if groups is not None:
        text, column_format = text.drop(columns=GROUP), column_format[1:]
    latex: str = text.to_latex(index=False, escape=True, column_format=column_format)
    if groups is not None:
        latex = _float(latex, [str(group) for group in groups], text.shape[1], caption or "")
    return "".join(SYMBOLS.get(letter, letter) for letter in latex)


def _float(latex: str, groups: list[str], columns: int, caption: str) -> str:
    """The table with a line above each group, inside a float."""
    head, rows = latex.split("\\midrule\n")
    lines, last = [], None
    for line, group in zip(rows.splitlines(), [*groups, None, None], strict=False):
        if group is not None and group != last:
            name = group.translate(LATEX)
            lines += [r"\addlinespace"] * (last is not None)
            lines.append(rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{name}}}}} \\")
        lines.append(line)
        last = group
    body = head + "\\midrule\n" + "\n".join(lines)
    above = f"\\begin{{table}}\n\\centering\n\\caption{{{caption.translate(LATEX)}}}\n\\label{{tab:paper}}\n"
    return f"{above}{body}\n\\end{{table}}\n"
