"""Tasks side by side in one thread, that ask shared functions together: each is what it would be alone."""
