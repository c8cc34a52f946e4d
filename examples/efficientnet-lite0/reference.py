"""Outputs of EfficientNet-Lite0 in PyTorch, for the example to compare with.

    pip install torch==2.15.0
    python reference.py PATH/efficientnet-lite0-57934424.pth > reference.json

The network is written here from its description: the seven stages of EfficientNet-B0 without
squeeze-and-excitation, ReLU6, and convolutions padded as TensorFlow's "SAME" is, with the odd zero
at the end. The inputs are a formula, so that nothing but the weights is needed.
"""

import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZE = 224
# times, channels, blocks, stride, kernel
STAGES = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
]


class Conv(nn.Conv2d):
    def forward(self, x):
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        size = x.shape[-1]
        zeros = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        before = zeros // 2
        after = zeros - before
        x = F.pad(x, [before, after, before, after])
        return F.conv2d(x, self.weight, None, self.stride, groups=self.groups)


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return Conv(inputs, outputs, kernel, stride, groups=groups, bias=False)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, inputs, outputs, times, kernel, stride):
        super().__init__()
        hidden = inputs * times
        self.expands = times > 1
        if self.expands:
            self._expand_conv = conv(inputs, hidden, 1)
            self._bn0 = norm(hidden)
        self._depthwise_conv = conv(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = norm(hidden)
        self._project_conv = conv(hidden, outputs, 1)
        self._bn2 = norm(outputs)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = x
        if self.expands:
            y = F.relu6(self._bn0(self._expand_conv(y)))
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.is_residual else y


class EfficientNetLite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem = conv(3, 32, 3, 2)
        self._bn0 = norm(32)
        blocks, inputs = [], 32
        for times, outputs, count, stride, kernel in STAGES:
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(Block(inputs, outputs, times, kernel, step))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = conv(320, 1280, 1)
        self._bn1 = norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean([2, 3]))


def image(divisor):
    """`[3, SIZE, SIZE]`: the sine of the index divided by a number."""
    index = torch.arange(3 * SIZE * SIZE, dtype=torch.float64)
    return torch.sin(index / divisor).float().reshape(3, SIZE, SIZE)


def main():
    model = EfficientNetLite0().eval()
    model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    divisors = [10, 300]
    batch = torch.stack([image(divisor) for divisor in divisors])
    with torch.no_grad():
        single = model(batch)
        logits = model.double()(batch.double())
    print(f"single precision is off by {(single - logits).abs().max():.1e}", file=sys.stderr)
    rows = []
    for divisor, logits in zip(divisors, logits):
        top_5 = logits.topk(5).indices.tolist()
        classes = sorted(top_5 + list(range(0, 1000, 100)))
        row = {
            "divisor": divisor,
            "top_5": top_5,
            "logits": {index: round(logits[index].item(), 5) for index in classes},
        }
        rows.append("  " + json.dumps(row))
    print("[\n" + ",\n".join(rows) + "\n]")


if __name__ == "__main__":
    main()
