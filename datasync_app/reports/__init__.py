"""What the database holds of a range and can prove, as a statement that others can check."""
