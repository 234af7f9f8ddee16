"""Keeps everything the pipeline makes and cuts releases from it."""
