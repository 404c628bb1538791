"""What is deployed: metrics that dashboard and alerts name exist, alerts are explained, wrong use is refused."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from kneeoa.model.grades import ReleaseFacts
from kneeoa.serving.api.metrics import Metrics
from kneeoa.serving.service import QueueState
from kneeoa.serving.settings import load_settings
from kneeoa.serving.workers.pool import PoolState

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """Every metric of a service that has done nothing yet, by name."""
    page = (
        Metrics(ReleaseFacts("kneeoa-6", "0", "0.1.0"))
        .page(QueueState(0, 0.0, 0), PoolState(1, 1, 0, 0, "cpu"))
        .decode()
    )
    return set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "alerts.yaml"])
def test_every_metric_that_is_named_exists(metrics: set[str], name: str) -> None:
    named = set(re.findall(r"\bkneeoa_[a-z_]+", (DEPLOY / name).read_text(encoding="utf-8")))
    assert len(named) >= 6
    series = {re.sub(r"_(bucket|sum|count)$", "", one) for one in named}
    assert not series - metrics


def test_the_dashboard_asks_something_in_every_panel() -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) >= 12
    assert all(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])


def test_every_alert_is_explained() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert not [rule["alert"] for rule in rules if f"| `{rule['alert']}` |" not in document]


def test_settings_that_the_files_name_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DEPLOY.iterdir())
    text += (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"KNEEOA_[A-Z_]+[A-Z]", text)) - {"KNEEOA_KEY"}
    told = {"KNEEOA_HOST": "0.0.0.0", "KNEEOA_DATABASE_URL": "postgresql://u:p@h:1/d"}  # noqa: S104 - read, not bound
    told |= {"KNEEOA_SECURITY__TRUSTED_HOSTS": '["kneeoa.example.org"]', "KNEEOA_SECURITY__REQUIRE_LOGIN": "true"}
    told |= {"KNEEOA_WORKERS__COUNT": "4", "KNEEOA_RETENTION_DAYS": "30", "KNEEOA_STOP_SECONDS": "30"}
    told |= {"KNEEOA_DATA": "/data", "KNEEOA_RELEASE": "kneeoa-6"}
    assert named <= set(told), named - set(told)
    for name in named:
        monkeypatch.setenv(name, told[name])
    assert load_settings().host == told["KNEEOA_HOST"]


def test_the_container_is_the_script_and_nothing_else() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    runs = [line for line in lines if line.startswith("RUN")]
    assert len(runs) == 1
    assert "deploy/install.sh" in runs[0]
    assert [line for line in lines if line.startswith("USER")] == ["USER kneeoa"]


def test_compose_keeps_the_service_read_only_and_on_this_machine() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert services["kneeoa"]["read_only"] is True
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one.get("ports", ()))
    used = {volume.split(":")[0] for one in services.values() for volume in one.get("volumes", ())}
    assert used == set(compose["volumes"])


@pytest.mark.parametrize(
    "wrong", [["--prefix", "here"], ["--no-such", "x"], ["--extra", "tpu"], ["--python", "false"], ["--data"]]
)
def test_the_script_refuses_wrong_use_and_does_nothing(tmp_path: Path, wrong: list[str]) -> None:
    given = ["--prefix", str(tmp_path / "opt"), "--data", str(tmp_path / "data"), *wrong]
    done = subprocess.run(["bash", DEPLOY / "install.sh", *given], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("install.sh:")
    assert not list(tmp_path.iterdir())
