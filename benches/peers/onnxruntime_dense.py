"""A model in ONNX Runtime: `python onnxruntime_dense.py THREADS`, then questions on stdin.

    ["load", PATH]            opens an ONNX file in the place of the one before
    ["run", INPUT, OUTPUT]    raw f32 from one file through the model into another; the input stays
    ["time", RUNS]            the seconds of each of so many runs with that input
"""

import sys

import numpy
import onnxruntime

from protocol import seconds, serve


class Dense:
    def load(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(sys.argv[1])
        options.inter_op_num_threads = 1
        self.session = None
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(path, options, providers=providers)

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
