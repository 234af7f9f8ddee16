"""How a language model writes knowledge and questions, and how drafts are checked."""
