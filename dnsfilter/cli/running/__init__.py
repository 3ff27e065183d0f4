"""Commands that ask a running node: by DNS, by its status page, and by a file that its supervisor reads."""
