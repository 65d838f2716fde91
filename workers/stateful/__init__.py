"""Applications beside the model path, on faust: each its own process and group, none on a message's way to its event."""
