"""OpenVINO: the CPU plugin in float32, tuned for latency, outputs not copied."""

from __future__ import annotations

import io

import openvino

from bench.onnx_model import make_model, read_outputs


def build(case, problem, variant):
    """Build a forward pass."""
    request = compile_model(make_model(problem), case.threads).create_infer_request()
    request.get_input_tensor().data[:] = problem.X

    def infer():
        return request.infer(share_outputs=True)

    def read(result):
        return read_outputs(result[0])

    return infer, read


def compile_model(model, threads) -> openvino.CompiledModel:
    """Compile an ONNX model for so many threads."""
    core = openvino.Core()
    return core.compile_model(
        core.read_model(io.BytesIO(model.SerializeToString())),
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # nobody else is bound to a core
        },
    )
