"""How fast drafting is, beside what people write today."""
