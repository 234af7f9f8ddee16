"""Which pictures show the same photograph, and which of them is kept."""
