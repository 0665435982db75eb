"""Evaluating a trained run."""
