"""A model in ONNX Runtime: `python onnxruntime_dense.py THREADS`, then questions on stdin.

    ["load", PATH]            opens an ONNX file in the place of the one before; ReLU6 as one operation
    ["run", INPUT, OUTPUT]    raw f32 from one file through the model into another; the input stays
    ["time", RUNS]            the seconds of each of so many runs with that input
"""

import sys

import numpy
import onnxruntime

from protocol import seconds, serve
from relu6 import with_clips

TOLERANCE = 1e-5


def session(model):
    """As fast as it can be: all optimisations of the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = int(sys.argv[1])
    options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def assert_same(found, expected):
    """Outputs of one input, at most so far apart, as a fraction of the largest."""
    for found, expected in zip(found, expected, strict=True):
        difference = numpy.abs(found - expected).max() / numpy.abs(expected).max()
        if not difference <= TOLERANCE:
            raise ValueError(f"with ReLU6 as one operation outputs differ by {difference:.1e}")


class Dense:
    def load(self, path):
        self.session = None
        clipped = with_clips(path)
        self.session = session(clipped or path)
        if clipped is None:
            return
        (info,) = self.session.get_inputs()
        values = numpy.random.default_rng(0).standard_normal(info.shape, dtype=numpy.float32)
        feed = {info.name: values}
        assert_same(self.session.run(None, feed), session(path).run(None, feed))

    def run(self, input, output):
        (info,) = self.session.get_inputs()
        values = numpy.fromfile(input, dtype=numpy.float32).reshape(info.shape)
        self.feed = {info.name: values}
        outputs = self.session.run(None, self.feed)
        numpy.concatenate([value.ravel() for value in outputs]).tofile(output)

    def time(self, runs):
        return seconds(lambda: self.session.run(None, self.feed), runs)


if __name__ == "__main__":
    dense = Dense()
    serve({"load": dense.load, "run": dense.run, "time": dense.time})
