"""Training one run: the loop, its batches and optimisers, and what lets it be stopped and resumed."""
