"""Which metrics there are beside those of which more is better."""

STEPS_TO_SOLVE = "steps_to_solve"  # until the validation score reaches the threshold; all of them where it never does
LESS_IS_BETTER = ("bits_per_byte", "perplexity", STEPS_TO_SOLVE)  # of all other metrics the most is 1
