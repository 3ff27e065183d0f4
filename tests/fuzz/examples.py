"""The number of examples that a test tries."""

import os

from hypothesis import HealthCheck, settings


def examples(usual: int) -> settings:
    """Return settings with `usual` examples, or with the number in `DNSFILTER_FUZZ_EXAMPLES`."""
    return settings(
        max_examples=int(os.environ.get("DNSFILTER_FUZZ_EXAMPLES", usual)),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
