"""The HTTP endpoints, one Blueprint a resource. A view parses, calls one use-case and answers."""
