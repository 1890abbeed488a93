"""Searches of other people, as contestants; files for a peer's own interpreter import nothing of xautolm."""
