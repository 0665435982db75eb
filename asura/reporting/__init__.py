"""From the folders of runs to tables, figures and a report."""
