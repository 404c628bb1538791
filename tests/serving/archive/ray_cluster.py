"""Scores a folder on a Ray cluster of two nodes, of which one is killed midway; to be run where loopback is all:

unshare -n sh -c 'ip link set lo up && exec python -m tests.serving.archive.ray_cluster FILMS OUT SHARD_FILMS'
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from ray.cluster_utils import Cluster
from rich.console import Console

from kneeoa.serving.archive.engine import Event, ShardDone
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.progress import progress_to
from kneeoa.serving.archive.ray_engine import RayEngine
from kneeoa.serving.archive.run import ScoreRequest, score

_NODE: dict[str, str | int] = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 << 20, "num_cpus": 1}


class KillingEngine(RayEngine):
    """Kills the node that the driver is not on as soon as a shard is done, and keeps what happened."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.address)
        self.cluster = cluster
        self.events: list[str] = []

    def finished(self) -> Iterator[Event]:
        """What happens, and the death of a node."""
        for event in super().finished():
            self.events.append(type(event).__name__)
            yield event
            if isinstance(event, ShardDone) and "node killed" not in self.events:
                (node,) = self.cluster.worker_nodes
                self.cluster.remove_node(node, allow_graceful=False)
                self.events.append("node killed")


def main() -> None:
    """Prints what happened as JSON."""
    films, out, shard_films = sys.argv[1:]
    request = ScoreRequest((films,), Path(out), shard_films=int(shard_films))
    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **_NODE})
    cluster.add_node(True, **_NODE)
    engine = KillingEngine(cluster)
    with progress_to(ArchiveLayout(Path(out)).progress(), Console(stderr=True)) as progress:
        outcome = score(request, engine, progress)
    cluster.shutdown()
    print(json.dumps({"status": outcome.status, "messages": outcome.messages, "events": engine.events}))


if __name__ == "__main__":
    main()
