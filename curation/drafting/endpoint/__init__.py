"""The endpoint of a language model: one HTTP request, its pace, and the answers that are kept."""
