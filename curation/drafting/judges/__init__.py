"""Models that look at drafts: judges, and tries without the picture; they flag, people decide."""
