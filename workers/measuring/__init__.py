"""How much a route can do: calls at rising batch size and concurrency, and the best of both."""
