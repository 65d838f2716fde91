"""The demonstration: the main job on this machine, on real messages, judged from what is on the topics alone."""
