import os
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from kitrain.config import ConfigError
from kitrain.parallel import World, joined

PROGRAM = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from kitrain.architecture import new_network
from kitrain.config import LossConfig, NetworkConfig, OptimiserConfig
from kitrain.parallel import joined
from kitrain.train import Groups, Job, finished
from tests.training.slabs import fake_slab

torch.set_num_threads(1)
out = Path(sys.argv[1])
size = NetworkConfig(width=4)
schedule = OptimiserConfig(6, batch=4, crop=32, autocast=False, report_every=3, checkpoint_every=3)
groups = Groups([fake_slab(seed) for seed in range(2)], [fake_slab(9)])
with joined() as world:
    start = new_network(size, world.rank).state_dict()  # torch hands the first one's to all
    job = Job("one", start, size, schedule, LossConfig(), seed=1)
    trained = finished(job, groups, out, world, lambda line: sys.stdout.write(line + "\\n"))
    save_file(trained.weights, out / f"rank{world.rank}.safetensors")
"""


def start(rank, size, port, out):
    environment = {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(out)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_that_two_processes_end_with_the_same_weights(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [start(rank, 2, port, tmp_path) for rank in range(2)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    first, second = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    (tmp_path / "alone").mkdir()
    alone = start(0, 1, port, tmp_path / "alone")
    told = alone.communicate(timeout=120)
    assert alone.returncode == 0, told
    single = load_file(tmp_path / "alone" / "rank0.safetensors")
    assert any(not torch.equal(tensor, single[name]) for name, tensor in first.items())
    assert "step 6" in said[0][0]
    assert "step" not in said[1][0]
    assert {path.name for path in tmp_path.glob("one*")} == {
        "one.safetensors",
        "one.json",
        "one.log.jsonl",
        "one.svg",
    }


def test_that_one_process_is_all_without_torchrun(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as world:
        assert (world.rank, world.size, world.is_first) == (0, 1, True)
        assert world.mean(3.5) == 3.5
        world.wait()


def test_that_a_batch_is_shared_evenly_or_refused():
    world = World(1, 4, torch.device("cpu"))
    assert world.share(12) == 3
    with pytest.raises(ConfigError, match="A batch of 10 crops"):
        world.share(10)
