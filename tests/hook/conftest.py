"""The tests in this directory run real drivers under the hook, by hookrun.py."""

import pytest

from dgcc.master.driver import CLIENT, HOOK


@pytest.fixture(scope="session", autouse=True)
def native_parts() -> None:
    """Without hook and client no test here can mean anything."""
    assert HOOK.exists() and CLIENT.exists(), "hook and client are not compiled: run 'pip install -e .' first"
