"""A gRPC client on grpcio for grpc-python.test.ts: runs one scenario against a server and prints "<scenario> ok"."""
import struct
import sys

import grpc
import health_pb2
import open_inference_pb2 as pb

address, scenario = sys.argv[1], sys.argv[2]
unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel(address, options=unlimited)
service = "/inference.GRPCInferenceService/"


def unary(name, request, response, **options):
    method = channel.unary_unary(
        service + name,
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    return method(request, timeout=options.pop("timeout", 20), **options)


def infer_request(values, raw, model="demo", identity=""):
    request = pb.ModelInferRequest(model_name=model, id=identity)
    tensor = request.inputs.add(name="features", datatype="FP32", shape=[1, len(values)])
    if raw:
        request.raw_input_contents.append(struct.pack("<%df" % len(values), *values))
    else:
        tensor.contents.fp32_contents.extend(values)
    return request


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def floats(raw):
    return list(struct.unpack("<%df" % (len(raw) // 4), raw))


def check_sum(answer, expected):
    check(floats(answer.raw_output_contents[1]) == [expected], answer)


def run_unary():
    for raw in (True, False):
        answer = unary("ModelInfer", infer_request([1, 2], raw, identity="seven"), pb.ModelInferResponse)
        check(answer.id == "seven" and answer.outputs[0].shape == [1, 2], answer)
        check_sum(answer, 3)


def run_gzip():
    values = [index % 7 for index in range(5000)]
    request = infer_request(values, True)
    answer = unary("ModelInfer", request, pb.ModelInferResponse, compression=grpc.Compression.Gzip)
    check(floats(answer.raw_output_contents[0]) == values, "values differ")


def run_large():
    for megabytes in (4, 60):
        request = pb.ModelInferRequest(model_name="demo")
        content = bytes(range(256)) * (megabytes * 4096)
        request.inputs.add(name="features", datatype="FP32", shape=[1, len(content) // 4])
        request.outputs.add(name="features_copy")
        request.raw_input_contents.append(content)
        request.parameters["timeout"].int64_param = 3600 * 10**6
        answer = unary("ModelInfer", request, pb.ModelInferResponse)
        check(answer.raw_output_contents[0] == content, "bytes differ")


def run_stream():
    method = channel.stream_stream(
        service + "ModelStreamInfer",
        request_serializer=pb.ModelInferRequest.SerializeToString,
        response_deserializer=pb.ModelStreamInferResponse.FromString,
    )
    models = ["demo", "nobody", "demo"] * 50
    requests = (infer_request([i, 1], True, model=m, identity=str(i)) for i, m in enumerate(models))
    answers = list(method(requests, timeout=20))
    check([answer.infer_response.id for answer in answers] == [str(i) for i in range(150)], "order")
    for index, answer in enumerate(answers):
        check((answer.error_message != "") == (models[index] == "nobody"), answer)
        if models[index] == "demo":
            check_sum(answer.infer_response, index + 1)


def run_errors():
    cases = [
        (infer_request([1], True, model="nobody"), grpc.StatusCode.NOT_FOUND, "nobody"),
        (pb.ModelInferRequest(model_name="demo"), grpc.StatusCode.INVALID_ARGUMENT, "features"),
    ]
    for request, code, text in cases:
        try:
            unary("ModelInfer", request, pb.ModelInferResponse)
        except grpc.RpcError as error:
            check(error.code() == code and text in error.details(), error)
        else:
            raise AssertionError("no error")
    try:
        unary("Nothing", pb.ServerLiveRequest(), pb.ServerLiveResponse)
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.UNIMPLEMENTED, error)


def run_deadline():
    try:
        unary("ModelInfer", infer_request([1], True), pb.ModelInferResponse, timeout=0.000001)
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
    else:
        raise AssertionError("no error")


def run_health():
    check_method = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer = check_method(health_pb2.HealthCheckRequest(), timeout=20)
    check(answer.status == health_pb2.HealthCheckResponse.SERVING, answer)


def run_metadata():
    answer = unary("ModelMetadata", pb.ModelMetadataRequest(name="demo"), pb.ModelMetadataResponse)
    check(answer.platform == "onnxruntime_onnx" and answer.inputs[0].shape == [-1, -1], answer)
    answer = unary("ModelConfig", pb.ModelConfigRequest(name="demo"), pb.ModelConfigResponse)
    check(answer.config.HasField("dynamic_batching"), answer)


def run_many():
    method = channel.unary_unary(
        service + "ModelInfer",
        request_serializer=pb.ModelInferRequest.SerializeToString,
        response_deserializer=pb.ModelInferResponse.FromString,
    )
    calls = [method.future(infer_request([index, 1], index % 2 == 0), timeout=30) for index in range(500)]
    for index, call in enumerate(calls):
        check_sum(call.result(), index + 1)


globals()["run_" + scenario]()
print(scenario + " ok")
