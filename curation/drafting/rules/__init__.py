"""The drafter without a language model: typed facts and templates behind an OpenAI-compatible endpoint."""
