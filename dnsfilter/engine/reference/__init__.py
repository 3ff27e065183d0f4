"""The reference engine: the readable specification of the compiled one."""
