"""The steps of an item: prompts, questions to the model, and what its answers must be."""
