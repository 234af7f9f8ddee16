"""Facts found in plain texts, and the words in which they are told and asked for."""
