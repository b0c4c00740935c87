"""What happens in the world because an event happened; a reaction reports back only by sending commands."""
