"""Prompt versions, one Markdown file each."""
