"""Updates: the only way by which new names of a service take effect. A list is fetched or read elsewhere."""
