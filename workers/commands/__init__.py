"""The commands, one file each. `workers.cli` imports a command's file when it is called, and not before."""
