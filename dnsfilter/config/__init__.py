"""Read and check the files that an administrator writes."""
