"""How people verify drafts in Label Studio, and what their votes mean."""
