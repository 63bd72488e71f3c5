"""A SavedModel's graph as TensorFlow's own protocol buffers write it.

Writes test/fixtures/formats/graph-def.json: the bytes in base64. test/formats/graph-def.test.ts describes
the same graph.

    python scripts/oracles/graph_def.py
"""

import base64
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, types_pb2
from tensorflow.core.protobuf import saved_model_pb2

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "formats" / "graph-def.json"


def constant(graph, name, dtype, array, single=None):
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = dtype
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if single is None:
        tensor.tensor_content = array.tobytes()
    else:
        getattr(tensor, single).append(array.flat[0])


def main():
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta = model.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    graph = meta.graph_def
    graph.versions.producer = 1087
    node = graph.node.add(name="x", op="Placeholder")
    node.attr["dtype"].type = types_pb2.DT_FLOAT
    for size in (2, 3):
        node.attr["shape"].shape.dim.add(size=size)
    constant(graph, "w", types_pb2.DT_FLOAT, np.array([[1.5, -2], [0.25, 3], [-0.0, 1e-40]], np.float32))
    constant(graph, "ones", types_pb2.DT_FLOAT, np.ones((100,), np.float32), "float_val")
    constant(graph, "minus", types_pb2.DT_INT32, np.full((3,), -7, np.int32), "int_val")
    constant(graph, "yes", types_pb2.DT_BOOL, np.array([True]))
    node = graph.node.add(name="y", op="MatMul", input=["x:0", "w", "^ones"])
    node.attr["T"].type = types_pb2.DT_FLOAT
    node.attr["transpose_a"].b = False
    node.attr["transpose_b"].b = True
    node = graph.node.add(name="odd", op="Odd", input=[])
    node.attr["floats"].list.f.extend([0.5, -1])
    node.attr["int"].i = -3
    node.attr["number"].f = 1.25
    node.attr["text"].s = "ä".encode()
    node.attr["truths"].list.b.extend([True, False])
    node.attr["types"].list.type.extend([types_pb2.DT_FLOAT, types_pb2.DT_INT32])
    node.attr["wholes"].list.i.extend([1, -2, 300])
    data = model.SerializeToString(deterministic=True)
    assert isinstance(graph, graph_pb2.GraphDef)
    source = f"TensorFlow {tf.__version__}; scripts/oracles/graph_def.py"
    OUT.write_text(json.dumps({"source": source, "bytes": base64.b64encode(data).decode()}, indent=1) + "\n")


main()
