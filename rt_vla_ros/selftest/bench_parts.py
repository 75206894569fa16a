"""The benchmarks: published sizes on a GPU, the small shapes on a CPU."""

from __future__ import annotations

from rt_vla_ros.benchmarks import rt1, rt2
from rt_vla_ros.benchmarks.rt2_shapes import SHAPES
from rt_vla_ros.policies.rt2.loading.quantization import DTYPES, number_type
from rt_vla_ros.selftest.part import FailedError, Found, Machine
from rt_vla_ros.selftest.rt2_parts import judged

RT1_CASES_OF_A_CPU = (("rt1-mini", "float32"),)
VARIANTS_OF_A_CPU = ("stock", "no speculation", "accepted 100 %")


def rt1_step(machine: Machine, *, recorded: bool = False) -> Found:
    """Every published network on a GPU, the small one on a CPU."""
    cases, repeats = (rt1.CASES, 20) if machine.on_gpu else (RT1_CASES_OF_A_CPU, 3)
    settings = rt1.RT1BenchSettings(repeats=repeats, cases=cases, device=str(machine.device), cuda_graphs=recorded)
    figures = rt1.measure(settings)
    steps = (f"{row['network']} {row['dtype']} {row['step_ms']} ms" for row in figures["networks"])
    return Found(", ".join(steps), figures, rt1.table(figures))


def rt2_action(published: str, small: str, machine: Machine, *, recorded: bool = False) -> Found:
    """A published shape on a GPU in bfloat16, a small one on a CPU in float32, beside `generate`."""
    name, dtype = published if machine.on_gpu else small, number_type("auto", machine.device)
    options = rt2.RT2BenchOptions(fixed_shapes=recorded)
    if not machine.on_gpu:
        options = rt2.RT2BenchOptions(repeats=1, variants=VARIANTS_OF_A_CPU)
    figures = rt2.measure(name, SHAPES[name], machine.device, dtype, options)
    way = figures["variants"]["no speculation"]
    said = f"{name} {way['milliseconds']:.1f} ms an action, {way['faster']:.2f} times as fast as generate"
    if recorded and not figures["recorded_prompt_lengths"]:
        raise FailedError(f"{said}, but no pass was recorded; the log says why.", figures)
    if figures["agreement"]:
        said += f"; {judged(figures['agreement'], DTYPES[figures['dtype']]).sentence}"
    return Found(said, figures, rt2.table([figures]))
