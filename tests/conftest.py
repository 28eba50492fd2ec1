"""Tests use a Hugging Face cache of their own, never the network; in CI none may be skipped but those marked gpu."""

import os
import tempfile

import pytest

_HOME = tempfile.TemporaryDirectory(prefix="clipkstar-tests-")
os.environ["HF_HOME"] = _HOME.name
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    skipped = session.config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
    forbidden = [report for report in skipped if "gpu" not in report.keywords]
    if os.environ.get("CI") and forbidden and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
