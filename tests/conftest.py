"""Tests use a Hugging Face cache of their own, never the network, and in CI no test may be skipped."""

import os
import tempfile

import pytest

_HOME = tempfile.TemporaryDirectory(prefix="clipkstar-tests-")
os.environ["HF_HOME"] = _HOME.name
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    skipped = session.config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
    if os.environ.get("CI") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
