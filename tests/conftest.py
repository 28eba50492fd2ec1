"""Tests use caches of their own, never the network; in CI none may be skipped but those marked gpu."""

import os
import tempfile

import pytest

_HOME = tempfile.TemporaryDirectory(prefix="clipkstar-tests-")
os.environ["HF_HOME"] = _HOME.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CLIPKSTAR_CACHE"] = f"{_HOME.name}/clipkstar"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # one of several processes; the one that started them counts
        return
    skipped = reporter.stats.get("skipped", [])
    forbidden = [report for report in skipped if "gpu" not in report.keywords]
    if os.environ.get("CI") and forbidden and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
