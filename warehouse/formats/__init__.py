"""The file layouts of a release."""
