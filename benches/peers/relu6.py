"""ReLU6 as ONNX Runtime knows it.

A model that computes relu(x) - relu(x - 6) is exported as these four operations. ONNX Runtime does
them one by one; as `Clip`, it makes them part of the convolution before.
"""

import collections
import math

import numpy
import onnx
from onnx import helper, numpy_helper


def with_clips(path):
    """A model, serialized, with min(max(x, 0), c) for each relu(x) - relu(x - c) of a constant c > 0.

    None where it has none of them.
    """
    model = onnx.load(path)
    graph = model.graph
    constants = scalars(graph)
    makers = {output: node for node in graph.node for output in node.output}
    uses = collections.Counter(name for node in graph.node for name in node.input)
    uses.update(output.name for output in graph.output)
    clips = 0
    for node in list(graph.node):
        found = clip(node, makers, constants)
        if found is None:
            continue
        x, most, replaced = found
        bounds = [f"{node.output[0]}.least", f"{node.output[0]}.most"]
        for name, value in zip(bounds, [0, most]):
            graph.initializer.append(numpy_helper.from_array(numpy.float32(value), name))
        at = list(graph.node).index(node)
        graph.node.insert(at, helper.make_node("Clip", [x, *bounds], list(node.output)))
        # From last to first: an operation goes when nothing reads it any more.
        for old in [node, *replaced]:
            if old is node or uses[old.output[0]] == 0:
                uses.subtract(old.input)
                graph.node.remove(old)
        clips += 1
    if clips == 0:
        return None
    for tensor in list(graph.initializer):
        if tensor.name in constants and uses[tensor.name] == 0:
            graph.initializer.remove(tensor)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def scalars(graph):
    """The constants of one value, by name."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: float(numpy_helper.to_array(tensor).item())
        for name, tensor in tensors.items()
        if math.prod(tensor.dims) == 1
    }


def clip(node, makers, constants):
    """x, c, and the operations between x and this one, when this one is relu(x) - relu(x - c)."""
    if node.op_type != "Sub":
        return None
    low, high = (makers.get(name) for name in node.input)
    if low is None or high is None or {low.op_type, high.op_type} != {"Relu"}:
        return None
    (x,) = low.input
    shift = makers.get(high.input[0])
    if shift is None or shift.op_type not in ("Add", "Sub") or shift.input[0] != x:
        return None
    most = constants.get(shift.input[1], 0.0)
    most = most if shift.op_type == "Sub" else -most
    return (x, most, [high, shift, low]) if most > 0.0 else None
