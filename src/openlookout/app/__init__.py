"""The composition root, by role: the only place where everything is built and joined. The API loads no numbers."""
