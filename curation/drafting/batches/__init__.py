"""The Batch API: questions asked by the file, answered within a day, into the same store."""
