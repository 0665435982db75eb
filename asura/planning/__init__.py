"""What is to be run: study files, runs, matched controls, plans, ablations, and what they cost."""
