"""What plugs into other people's programs."""
