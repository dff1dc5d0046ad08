"""ONNX Runtime: the CPU provider, input and output bound once."""

from __future__ import annotations

import onnxruntime

from bench.onnx_model import make_model, read_outputs


def build(case, problem, variant):
    """Build a forward pass."""
    session = open_session(make_model(problem), case.threads)
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


def open_session(model, threads) -> onnxruntime.InferenceSession:
    """A session of the CPU provider with so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
