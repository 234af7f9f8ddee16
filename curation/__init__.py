"""What a benchmark item is, and every step that makes one."""
