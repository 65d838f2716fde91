"""An operator's budget in place of the settings' limits. Pure; time is an argument."""

from workers.allowance import Allowance, Allowances
from workers.limiting.quota import Known, Quota

NONE = Allowance()


def test_a_budget_takes_the_place_of_the_settings_and_gives_it_back():
    """Part by part: what it does not say is as set, also above it."""
    quota = Quota(Known(600, 60_000), None)
    quota.budget(Known(None, 90_000), 1.0)
    assert quota.rates(0.0) == Known(600, 90_000)
    quota.budget(Known(60, None), 1.0)
    assert quota.rates(0.0) == Known(60, 60_000)
    quota.budget(Known(), 1.0)
    assert quota.rates(0.0) == Known(600, 60_000)


def test_a_header_still_lowers_what_a_budget_says():
    """The provider knows better."""
    quota = Quota(Known(), None)
    quota.budget(Known(None, 90_000), 1.0)
    quota.told(Allowances(NONE, Allowance(limit=30_000, remaining=30_000, reset_seconds=0.0)), 0.0)
    assert quota.known().tokens_per_minute == 30_000


def test_a_limit_is_known_until_another_one_is_told():
    """Headers that tell what is left and not of how much, as some refusals have them, take no limit away."""
    quota = Quota(Known(), None)
    quota.told(Allowances(NONE, Allowance(limit=30_000, remaining=30_000, reset_seconds=0.0)), 0.0)
    quota.told(Allowances(NONE, Allowance(remaining=10)), 1.0)
    assert quota.rates(1.0).tokens_per_minute == 30_000
    quota.told(Allowances(NONE, Allowance(limit=30_000, reset_seconds=3_600.0)), 2.0)  # of an hour at least
    assert quota.rates(2.0).tokens_per_minute is None


def test_a_part_is_of_whatever_limit_is_known():
    """On top of the fleet's share; without a limit there is nothing to take a part of."""
    quota = Quota(Known(600, None), None)
    quota.share(0.5)
    quota.budget(Known(), 0.5)
    assert quota.rates(0.0) == Known(150, None)
    assert quota.known() == Known(600, None)
    free = Quota(Known(), None)
    free.budget(Known(), 0.5)
    assert free.rates(0.0) == Known()
