"""What questions cost: prices, the estimate, the cap, and what was spent."""
