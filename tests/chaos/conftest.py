import os
import random

import pytest

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**32))


def pytest_report_header() -> str:
    return f"chaos: repeat this run with CHAOS_SEED={SEED}"


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """What a test decides at random, the same again with the same seed."""
    return random.Random(f"{SEED} {request.node.name}")
