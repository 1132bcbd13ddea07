"""The field's tutorial server: FastAPI, uvicorn with uvloop and httptools, orjson answers, one ONNX Runtime session per worker.

POST /predict       {"features": [...]}            -> {"outputs": [[...], ...]}
POST /predict/raw   one row of little-endian float32 -> the first output as little-endian float32

With --batcher the usual asyncio batcher joins up to 32 rows that arrive within 5 ms.
"""

import argparse
import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager

import numpy as np
import onnxruntime as ort
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

MAX_ROWS = 32
WINDOW_SECONDS = 0.005


class PredictRequest(BaseModel):
    features: list[float]


class Model:
    def __init__(self, path: str, row_shape: list[int]):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.outputs = [o.name for o in self.session.get_outputs() if o.type.startswith("tensor")]
        self.row_shape = row_shape

    def run(self, rows: np.ndarray) -> list[np.ndarray]:
        return self.session.run(self.outputs, {self.input: rows.reshape(-1, *self.row_shape)})


class Batcher:
    """One queue; the first row opens a window, the batch runs when it is full or the window ends."""

    def __init__(self, model: Model):
        self.model = model
        self.queue: asyncio.Queue = asyncio.Queue()

    async def predict(self, row: np.ndarray) -> list[np.ndarray]:
        future = asyncio.get_running_loop().create_future()
        await self.queue.put((row, future))
        return await future

    async def loop(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            batch = [await self.queue.get()]
            end = clock() + WINDOW_SECONDS
            while len(batch) < MAX_ROWS:
                left = end - clock()
                if left <= 0:
                    break
                try:
                    batch.append(await asyncio.wait_for(self.queue.get(), left))
                except asyncio.TimeoutError:
                    break
            try:
                outputs = self.model.run(np.stack([row for row, _ in batch]))
                for index, (_, future) in enumerate(batch):
                    if not future.done():
                        future.set_result([output[index : index + 1] for output in outputs])
            except Exception as error:  # the callers get it, the loop goes on
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)


def create_app() -> FastAPI:
    """Called once in every uvicorn worker process."""
    settings = json.loads(os.environ["BENCH_SETTINGS"])
    model = Model(settings["model"], settings["row_shape"])
    batcher = Batcher(model) if settings["batcher"] else None

    @asynccontextmanager
    async def lifespan(_: FastAPI):
        task = asyncio.create_task(batcher.loop()) if batcher is not None else None
        yield
        if task is not None:
            task.cancel()

    app = FastAPI(lifespan=lifespan)

    async def infer(row: np.ndarray) -> list[np.ndarray]:
        return model.run(row) if batcher is None else await batcher.predict(row)

    @app.get("/")
    async def alive() -> str:
        return "ok"

    @app.post("/predict")
    async def predict(request: PredictRequest) -> Response:
        outputs = await infer(np.asarray(request.features, dtype=np.float32))
        body = orjson.dumps({"outputs": [output.ravel().tolist() for output in outputs]})
        return Response(body, media_type="application/json")

    @app.post("/predict/raw")
    async def predict_raw(request: Request) -> Response:
        outputs = await infer(np.frombuffer(await request.body(), dtype=np.float32))
        return Response(outputs[0].tobytes(), media_type="application/octet-stream")

    return app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--row-shape", required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batcher", action="store_true")
    arguments = parser.parse_args()
    os.environ["BENCH_SETTINGS"] = json.dumps(
        {
            "model": arguments.model,
            "row_shape": json.loads(arguments.row_shape),
            "batcher": arguments.batcher,
        }
    )
    port = free_port()
    print(f"listening on port {port}", flush=True)
    uvicorn.run(
        "fastapi_server:create_app",
        factory=True,
        app_dir=os.path.dirname(os.path.abspath(__file__)),
        host="127.0.0.1",
        port=port,
        workers=arguments.workers,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
    )
