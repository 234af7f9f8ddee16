"""Edits models over a frozen release and measures what changed."""
