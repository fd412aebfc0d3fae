"""What one file says about sessions."""
