"""The `bench` command: one module a verb; heavy imports happen inside the functions that need them."""
