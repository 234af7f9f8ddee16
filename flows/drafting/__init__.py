"""What the draft stage is made of: its plan, its run, its money, its pages."""
