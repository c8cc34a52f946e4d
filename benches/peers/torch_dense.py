"""A model in PyTorch: `python torch_dense.py THREADS`, then questions as to onnxruntime_dense.py.

The model comes as an ONNX file, whose operations are done by PyTorch's functions, one by one, as
the modules of a model written for PyTorch do them.
"""

import sys

import numpy
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional

from protocol import seconds, serve


def halves(pads):
    """ONNX names the zeros before all axes, then those behind; only equal ones are known here."""
    begin, end = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    if begin != end:
        raise ValueError(f"uneven padding {pads}")
    return begin


def conv(at, x, weight, bias=None):
    pads = halves(at.get("pads", [0, 0, 0, 0]))
    strides, dilations = at.get("strides", [1, 1]), at.get("dilations", [1, 1])
    return functional.conv2d(x, weight, bias, strides, pads, dilations, at.get("group", 1))


def max_pool(at, x):
    pads = halves(at.get("pads", [0, 0, 0, 0]))
    return functional.max_pool2d(x, at["kernel_shape"], at["strides"], pads)


def batch_norm(at, x, scale, bias, mean, variance):
    return functional.batch_norm(x, mean, variance, scale, bias, eps=at.get("epsilon", 1e-5))


def gemm(at, a, b, c=None):
    weight = b if at.get("transB", 0) else b.t()
    return functional.linear(a, weight, c)


OPERATIONS = {
    "Add": lambda at, a, b: a + b,
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "Flatten": lambda at, x: x.flatten(at.get("axis", 1)),
    "Gemm": gemm,
    "GlobalAveragePool": lambda at, x: functional.adaptive_avg_pool2d(x, 1),
    "MatMul": lambda at, a, b: a @ b,
    "MaxPool": max_pool,
    "Relu": lambda at, x: functional.relu(x),
    "Reshape": lambda at, x, shape: x.reshape(shape),
}


class Dense:
    def load(self, path):
        graph = onnx.load(path).graph
        self.values = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
            for tensor in graph.initializer
        }
        self.steps = []
        for node in graph.node:
            attributes = {at.name: onnx.helper.get_attribute_value(at) for at in node.attribute}
            operation = OPERATIONS[node.op_type]
            if node.op_type == "Reshape":
                # As a model written for PyTorch has it: a list, not a tensor.
                self.values[node.input[1]] = self.values[node.input[1]].tolist()
            self.steps.append((operation, attributes, list(node.input), node.output[0]))
        (input,) = [value for value in graph.input if value.name not in self.values]
        self.input = input.name
        self.shape = [size.dim_value for size in input.type.tensor_type.shape.dim]
        self.outputs = [output.name for output in graph.output]

    def forward(self):
        values = dict(self.values)
        values[self.input] = self.feed
        for operation, attributes, inputs, output in self.steps:
            values[output] = operation(attributes, *[values[name] for name in inputs])
        return [values[name] for name in self.outputs]

    def run(self, input, output):
        values = numpy.fromfile(input, dtype=numpy.float32).reshape(self.shape)
        self.feed = torch.from_numpy(values)
        with torch.inference_mode():
            outputs = self.forward()
        numpy.concatenate([value.numpy().ravel() for value in outputs]).tofile(output)

    def time(self, runs):
        with torch.inference_mode():
            return seconds(self.forward, runs)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    dense = Dense()
    serve({"load": dense.load, "run": dense.run, "time": dense.time})
