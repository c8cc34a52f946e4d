"""A sparse product in PyTorch: `python torch_sparse.py THREADS`, then questions on stdin.

    ["load", PATH, ROWS, COLUMNS]    a weight of raw f32, as CSR with indices of 32 bits
    ["run", INPUT, OUTPUT]           `weight · inputᵀ`, transposed, for an input of any batch
    ["time", RUNS]                   the seconds of each of so many products; the input is
                                     transposed beforehand, and the output stays as it is
"""

import sys
import warnings

import numpy
import torch

from protocol import seconds, serve


class Sparse:
    def load(self, path, rows, columns):
        dense = torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32).reshape(rows, columns))
        weight = dense.to_sparse_csr()
        self.weight = torch.sparse_csr_tensor(
            weight.crow_indices().to(torch.int32),
            weight.col_indices().to(torch.int32),
            weight.values(),
            size=weight.shape,
        )

    def run(self, input, output):
        values = numpy.fromfile(input, dtype=numpy.float32).reshape(-1, self.weight.shape[1])
        self.feed = torch.from_numpy(values).t().contiguous()
        with torch.inference_mode():
            (self.weight @ self.feed).t().contiguous().numpy().tofile(output)

    def time(self, runs):
        with torch.inference_mode():
            return seconds(lambda: self.weight @ self.feed, runs)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # That CSR is in beta.
    torch.set_num_threads(int(sys.argv[1]))
    sparse = Sparse()
    serve({"load": sparse.load, "run": sparse.run, "time": sparse.time})
