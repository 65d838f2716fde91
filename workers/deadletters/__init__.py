"""Dead letters: what lies in a task's dead-letter topic, and the way back to its source topic."""
