"""Controls at run time: which one is run of each key, how workers follow and acknowledge them, how an operator makes one."""
