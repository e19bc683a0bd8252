"""A plugin of pytest's, for mutants: few examples, what is wrong need not be made small, and what takes long comes last."""

import pytest
from hypothesis import Phase, settings

settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("mutants")


MOST_EXAMPLES = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    properties = [item for item in items if hasattr(getattr(item, "function", None), "hypothesis")]
    for item in properties:
        function = item.function
        asked = function._hypothesis_internal_use_settings
        function._hypothesis_internal_use_settings = settings(
            asked, max_examples=min(asked.max_examples, MOST_EXAMPLES)
        )
    items.sort(key=properties.__contains__)
