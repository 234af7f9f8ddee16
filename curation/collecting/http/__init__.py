"""The one door to the network: every web source goes through it, and nothing else opens a connection."""
