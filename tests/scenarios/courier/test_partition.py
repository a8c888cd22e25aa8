"""The two partitions by name."""

from __future__ import annotations

import pytest

from veridical.errors import InputError
from veridical.scenarios.courier.partition import PARTITIONS, check_partition


@pytest.mark.parametrize("name", PARTITIONS)
def test_a_partition_is_returned_as_it_is(name):
    assert check_partition(name) == name


def test_another_name_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match=r"^partition: no 'heldout'; there are 'train' and 'held-out'$"):
        check_partition("heldout")
