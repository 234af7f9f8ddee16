"""Measures how fast the evaluator is, beside a plain loop as the reference runs it."""
