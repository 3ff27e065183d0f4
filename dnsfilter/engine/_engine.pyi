from dnsfilter.engine.reference import ReferenceEngine

class CompiledEngine(ReferenceEngine):
    """Implements `Engine` as `ReferenceEngine` does, which it is made like."""
