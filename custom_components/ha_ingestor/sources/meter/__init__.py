"""What the home uses, as a whole and by circuit."""
