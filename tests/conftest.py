"""Fixtures that several parts of the tests share."""
