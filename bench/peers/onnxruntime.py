"""ONNX Runtime: the CPU provider, input and output bound once."""

from __future__ import annotations

import onnxruntime

from bench.onnx_model import make_model, read_outputs


def build(problem, kind, threads):
    """Build a forward pass; `kind` is always inference."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        make_model(problem).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    binding = session.io_binding()
    X = onnxruntime.OrtValue.ortvalue_from_numpy(problem.X)
    binding.bind_ortvalue_input("X", X)
    binding.bind_output("Y")

    def infer():
        session.run_with_iobinding(binding)
        return binding

    def read(result):
        return read_outputs(result.copy_outputs_to_cpu()[0])

    return infer, read
