"""A table of real trials on many tasks, collected by our own executor, and contests of search on it."""
