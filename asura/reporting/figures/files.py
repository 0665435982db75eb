"""Figures as files: three formats and the numbers, with the same bytes for the same data."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from asura.common.files import write_text, write_whole
from asura.reporting.figures.style import LOOK, Drawn, plain
from asura.reporting.frames import Results

DOTS = 200
"""Dots per inch of a .png."""

Source = dict[str, str]
"""What a figure is of: the study, and the commits that its runs recorded."""


def source_of(results: Results, study: str) -> Source:
    """The study and the commits of its runs."""
    commits = sorted(results.runs["commit"].dropna().unique())
    return {"study": study, "commits": " ".join(commits) or "not recorded"}


def write_figure(drawn: Drawn, path_stem: Path, source: Source, note: str | None = None) -> None:
    """Write .png, .svg, .pdf and .csv, with `note` over the figure. Raises OSError.

    The figure is laid out once for all formats; `savefig` would do it, and draw, once more for each.
    """
    figure = drawn.figure
    if note:
        figure.suptitle(plain(note), color="firebrick", fontweight="bold", fontsize=8)
    title = f"{path_stem.name.replace('_', ' ')}, study {source['study']}"
    about = f"commits of the runs: {source['commits']}"
    with mpl.rc_context(LOOK):
        agg = FigureCanvasAgg(figure)
        figure.set_dpi(DOTS)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        png = {"Title": title, "Description": about}
        write_whole(Path(f"{path_stem}.png"), lambda path: agg.print_png(path, metadata=png))
        svg = {"Title": title, "Description": about, "Date": None}  # without dates, the same data give the same bytes
        write_whole(Path(f"{path_stem}.svg"), lambda path: FigureCanvasSVG(figure).print_svg(path, metadata=svg))
        pdf = {"Title": title, "Subject": about, "CreationDate": None}
        write_whole(Path(f"{path_stem}.pdf"), lambda path: FigureCanvasPdf(figure).print_pdf(path, metadata=pdf))
    write_text(Path(f"{path_stem}.csv"), drawn.numbers.to_csv(index=False, lineterminator="\n"))
