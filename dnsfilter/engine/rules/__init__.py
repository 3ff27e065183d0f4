"""The rules that an answer or a refusal meets, one file each. Who applies them in which order: slow_path."""
