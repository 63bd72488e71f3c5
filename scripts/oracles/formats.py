"""Files written by the reference implementations of the formats that src/formats reads and writes.

Writes test/fixtures/formats/reference.json: the files' bytes in base64 and what they hold.

    python scripts/oracles/formats.py
"""

import base64
import json
import tempfile
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import tensorflow as tf
from tensorflow.core.framework import summary_pb2
from tensorflow.core.util import event_pb2

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "formats" / "reference.json"


def base64_of(data):
    return base64.b64encode(data).decode()


def safetensors_file():
    tensors = {
        "layer/kernel": np.array([[0.1, -2.5, 3e-8], [np.inf, 0, 7]], np.float32),
        "layer/codes": np.array([-128, -1, 0, 127], np.int8),
        "half": np.array([0.5, -2, 65504], np.float16),
        "double": np.array([np.pi], np.float64),
        "bytes": np.array([0, 255, 3], np.uint8),
        "short": np.array([[-32768], [32767]], np.int16),
        "int": np.array([-(2**31), 2**31 - 1], np.int32),
        "long": np.array([-(2**63), 2**53 + 1], np.int64),
        "flag": np.array([True, False, True], np.bool_),
        "scalar": np.array(1.5, np.float32),
        "empty": np.zeros((0, 4), np.float32),
        "Ünï \"quoted\"": np.array([1.0], np.float32),
    }
    data = safetensors.numpy.save(tensors, {"format": "pt", "note": "ä\n"})
    listing = {}
    for name, array in tensors.items():
        raw = array.tobytes()
        listing[name] = {"shape": list(array.shape), "bytes": base64_of(raw)}
    return {"file": base64_of(data), "tensors": listing, "metadata": {"format": "pt", "note": "ä\n"}}


def events():
    def event(**fields):
        return event_pb2.Event(**fields)

    histogram = summary_pb2.HistogramProto(
        min=-1.5, max=2.25, num=4, sum=0.5, sum_squares=9, bucket_limit=[-1, 0, 3], bucket=[1, 1, 2]
    )
    text_metadata = summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
    )
    value = summary_pb2.Summary.Value
    return [
        event(wall_time=1700000000.25, file_version="brain.Event:2"),
        event(
            wall_time=1700000001.5,
            step=10,
            summary=summary_pb2.Summary(
                value=[value(tag="loss", simple_value=1.25), value(tag="lr", simple_value=0.0)]
            ),
        ),
        event(
            wall_time=1700000002,
            step=2**33 + 5,
            summary=summary_pb2.Summary(value=[value(tag="weights", histo=histogram)]),
        ),
        event(
            step=11,
            summary=summary_pb2.Summary(
                value=[
                    value(
                        tag="note",
                        metadata=text_metadata,
                        tensor=tf.make_tensor_proto(["größer"], dtype=tf.string),
                    )
                ]
            ),
        ),
    ]


def event_file():
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "events")
        with tf.io.TFRecordWriter(path) as writer:
            for event in events():
                writer.write(event.SerializeToString(deterministic=True))
        return base64_of(Path(path).read_bytes())


if __name__ == "__main__":
    document = {
        "source": f"safetensors {safetensors.__version__} and TensorFlow {tf.__version__}; "
        "scripts/oracles/formats.py",
        "safetensors": safetensors_file(),
        "tfevents": event_file(),
    }
    OUT.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
