"""Compares ONNX files with what Burn computed: NAME.onnx and NAME.json in a folder."""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

EXPECTED = {"lenet-5", "resnet-18", "mobilenet-v2", "yolo", "two-in-four"}


def reduced_first(model, initializer):
    """The initializer with the axis that is summed over in front."""
    values = numpy_helper.to_array(initializer)
    for node in model.graph.node:
        if initializer.name not in node.input:
            continue
        place = list(node.input).index(initializer.name)
        if node.op_type == "MatMul" and place == 1:
            return values.reshape(values.shape[-2:])
        if node.op_type == "Gemm" and place == 1:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            return values.T if transposed else values
        if node.op_type == "Conv" and place == 1:
            return numpy.moveaxis(values, 1, 0)
        raise SystemExit(f"{initializer.name} is read by {node.op_type}: which axis is summed over?")
    raise SystemExit(f"nothing reads {initializer.name}")


def main(folder):
    found = set()
    for description in sorted(folder.glob("*.json")):
        name = description.stem
        found.add(name)
        expected = json.loads(description.read_text())
        file = folder / f"{name}.onnx"
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        values = numpy.array(expected["input"], numpy.float32).reshape(expected["shape"])
        outputs = session.run(None, {session.get_inputs()[0].name: values})
        assert len(outputs) == len(expected["outputs"]), name
        for output, burn in zip(outputs, expected["outputs"]):
            burn = numpy.array(burn, numpy.float32).reshape(output.shape)
            difference = numpy.abs(output - burn).max() / numpy.abs(burn).max()
            assert difference < 1e-4, f"{name}: {difference}"
            print(f"{name}: {output.shape}, relative difference {difference:.1e}")
        pruned = expected["two_in_four"]
        checked = 0
        for initializer in model.graph.initializer if pruned else ():
            if len(initializer.dims) < 2:
                continue
            values = reduced_first(model, initializer)
            fours = (values != 0).reshape(values.shape[0] // 4, 4, -1).sum(axis=1)
            assert fours.max() <= 2, f"{name}: {initializer.name} has {fours.max()} of 4"
            checked += 1
        assert checked == len(pruned), f"{name}: {checked} pruned initializers of {len(pruned)}"
        if pruned:
            print(f"{name}: {checked} initializers with at most two of four")
    assert found == EXPECTED, f"{found ^ EXPECTED}"


main(pathlib.Path(sys.argv[1]))
