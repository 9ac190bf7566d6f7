"""Pinned archives of a package index, fetched and read as data: nothing in them is installed, imported or run."""
