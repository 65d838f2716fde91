"""What happens between topics."""
