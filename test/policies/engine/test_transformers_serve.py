"""A real server with OpenAI's API, `transformers serve`, runs rt2-mini: it decides as the model in this process.

Skipped without its packages: pip install "transformers[serving]".
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers.utils.import_utils import is_serve_available

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.engine.folder import write_engine_folder
from rt_vla_ros.policies.engine.policy import EnginePolicy
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import PolicyLostError
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.sim import TabletopSim, make_scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_serve_available(), reason="needs transformers[serving]"),
]
SCENES, PATIENCE = 4, 120.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the description of the running model in "far"."""
    folder = tmp_path_factory.mktemp("serve")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = EngineConfig("openai", f"http://127.0.0.1:{port}/v1", str(folder / "served"))
    written = write_engine_folder(resolve("rt2-mini"), folder / "far", engine)
    shutil.copytree(resolve("rt2-mini").model_directory, folder / "served")
    assert written.template is not None
    shutil.copy(written.template, folder / "served")
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder / "served")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log
        )
    try:
        last = time.monotonic() + PATIENCE
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert server.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < last
            time.sleep(0.2)
        yield folder
    finally:
        server.kill()
        server.wait()


def far_policy(place: Path) -> EnginePolicy:
    policy = load_policy(str(place / "far"), remote=RemoteSettings(budget=60.0))
    assert isinstance(policy, EnginePolicy)
    return policy


def test_the_same_images_give_the_same_actions_and_answers(place: Path) -> None:
    near, far = load_policy("rt2-mini"), far_policy(place)
    assert isinstance(near, RT2Policy)
    (camera,), sim, actions = near.card.cameras, TabletopSim(), set()
    for seed in range(SCENES):
        scene = make_scene("pick-any", seed=seed)
        sim.reset(scene.layout)
        seen = Observation({camera.name: fit_image(sim.render("front"), camera)}, 0.0)
        for policy in (near, far):
            policy.reset(scene.task.instruction)
        chunk = far.act(seen)
        assert chunk.tokens == near.act(seen).tokens
        actions.add(chunk.tokens)
    assert len(actions) > 1
    question = "what is on the table?"
    assert far.ask(seen.images, question) == near.ask(seen.images, question)
    sim.close()


def test_without_its_length_the_model_goes_on_and_its_answer_is_refused(place: Path) -> None:
    longer = place / "longer"
    shutil.copytree(place / "far", longer)
    engine = EngineConfig.load(longer)
    EngineConfig("openai", engine.url, engine.model).save(longer)
    with pytest.raises(DecodingError, match=r"^The engine's answer '1 .*was cut off|expected 5 numbers"):
        load_policy(str(longer))


def test_the_server_names_what_it_refuses(place: Path) -> None:
    for engine, model, said in (("vllm", None, "Unexpected fields"), ("openai", "another", "Server is pinned to")):
        other = place / engine
        shutil.copytree(place / "far", other)
        config = EngineConfig.load(other)
        EngineConfig(engine, config.url, model or config.model, 5).save(other)
        with pytest.raises(PolicyLostError, match=rf"refuses the request \(HTTP status 4\d\d\): {said}"):
            load_policy(str(other))
