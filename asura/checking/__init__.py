"""Whether results are what their settings and this code lead to."""
