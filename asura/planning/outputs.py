"""The files that a study leaves in its results: names that the rules declare and that `asura.reporting` writes."""

FRAMES = ("runs", "roles", "scores", "questions", "test_errors", "curves", "resources")
"""Tidy frames, in `tidy/NAME.csv`."""

TABLES = ("questions", "paper", "comparison", "runs", "metrics", "matching", "resources")
"""Tables of every study."""

PUBLISHED = "published"
"""The table of a study that names a paper to compare with."""

FIGURES = (
    "score_against_iterations",
    "grid",
    "train_against_evaluation_iterations",
    "iterations_at_evaluation",
    "learning_curves",
    "score_against_parameters",
    "score_against_flops",
)
"""Figures of every study."""

ABLATION_TABLES = {"table": "table", "metrics": "every metric"}
"""Tables of an ablation, and what each shows."""

ABLATION_FIGURES = {"figure": "scores", "iterations": "scores over iterations"}
"""Figures of an ablation, and what each shows."""

TABLE_FORMATS = ("csv", "md", "tex", "html")
FIGURE_FORMATS = ("png", "pdf", "svg")

OF_AN_ABLATION = [
    *(f"{table}.{form}" for table in ABLATION_TABLES for form in TABLE_FORMATS),
    *(f"{figure}.{form}" for figure in ABLATION_FIGURES for form in FIGURE_FORMATS),
]
"""All files of an ablation."""
