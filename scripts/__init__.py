"""What people and machines start."""
