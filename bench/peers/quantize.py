"""Quantizes a model with onnxruntime's own tool, at the settings that suit x64 best: argv is model, rows.npy, dynamic out, static out."""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

model, rows_path, dynamic_path, static_path = sys.argv[1:]
rows = np.load(rows_path)
name = onnx.load(model).graph.input[0].name


class Rows(CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{name: rows[at : at + 8]} for at in range(0, len(rows), 8)])

    def get_next(self):
        return next(self.batches, None)


with tempfile.TemporaryDirectory() as folder:
    prepared = str(Path(folder) / "prepared.onnx")
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    if dynamic_path != "-":
        quantize_dynamic(prepared, dynamic_path, per_channel=True, weight_type=QuantType.QInt8)
    quantize_static(
        prepared,
        static_path,
        Rows(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
