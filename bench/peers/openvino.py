"""OpenVINO: the CPU plugin in float32, tuned for latency, outputs not copied."""

from __future__ import annotations

import io

import openvino

from bench.onnx_model import make_model, read_outputs


def build(problem, kind, threads):
    """Build a forward pass; `kind` is always inference."""
    core = openvino.Core()
    model = core.read_model(io.BytesIO(make_model(problem).SerializeToString()))
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # nobody else is bound to a core
        },
    )
    request = compiled.create_infer_request()
    request.get_input_tensor().data[:] = problem.X

    def infer():
        return request.infer(share_outputs=True)

    def read(result):
        return read_outputs(result[0])

    return infer, read
