"""A small client of a FaceStudio mesh, over gRPC."""

import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, str(Path(__file__).parent / "stubs"))

from facestudio.gateway.v1 import gateway_pb2, gateway_pb2_grpc, subjects_pb2, subjects_pb2_grpc  # noqa: E402
from facestudio.media.v1 import media_pb2  # noqa: E402

MAX_MESSAGE = 64 << 20  # bytes; the server's own bound
PATIENCE = 120  # seconds that a mesh which does not answer is asked again


@dataclass
class Failure(Exception):
    """Why a call or a generation failed."""

    reason: str  # the stable cause, such as NO_FACE_FOUND; empty when there is none
    message: str  # what is wrong and the way out
    field: str = ""  # the request field that is to blame, such as subjects[0].photos[1]
    retry_after: float | None = None  # seconds to wait before trying again; None: it would fail again

    def __str__(self):
        return f"{self.field}: {self.message} ({self.reason})" if self.field else f"{self.message} ({self.reason})"


def failure(error):
    """The Failure of a gRPC error."""
    out = Failure(reason="", message=error.details() or str(error.code()))
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            out.reason, out.field = info.reason, info.metadata.get("field", "")
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            out.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    return out


def picture(path):
    """A picture file as it is sent."""
    return media_pb2.Picture(data=Path(path).read_bytes())


class Mesh:
    """A mesh at host:port. Without TLS, as a mesh on this machine is; or with TLS and a token."""

    def __init__(self, server, tls=False, token=None):
        options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
        if tls:
            credentials = grpc.ssl_channel_credentials()
            if token:
                credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
            self.channel = grpc.secure_channel(server, credentials, options)
        else:
            self.channel = grpc.insecure_channel(server, options)
        self.generations = gateway_pb2_grpc.GenerationServiceStub(self.channel)
        self.subjects = subjects_pb2_grpc.SubjectServiceStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def enrol(self, name, photos, consent=""):
        """Keeps a person by photo files. Returns the Subject, which has a verdict on each photo."""
        subject = subjects_pb2.Subject(display_name=name, photos=[picture(p) for p in photos], consent=consent)
        request = subjects_pb2.CreateSubjectRequest(subject=subject, request_id=str(uuid.uuid4()))
        return again(lambda: self.subjects.CreateSubject(request))

    def generate(self, generation, progress=None):
        """Makes pictures. Returns the generation as it ended, and the bytes of its pictures."""
        # The request id makes Create safe to repeat: a lost answer makes no second generation.
        request = gateway_pb2.CreateGenerationRequest(generation=generation, request_id=str(uuid.uuid4()))
        created = again(lambda: self.generations.CreateGeneration(request))
        ended = self.follow(created.name, progress)
        if ended.state != gateway_pb2.STATE_SUCCEEDED:
            fault = ended.fault
            reason = fault.DESCRIPTOR.fields_by_name["reason"].enum_type.values_by_number[fault.reason].name
            raise Failure(reason.removeprefix("REASON_"), fault.message, fault.field)
        return ended, [
            again(lambda: self.generations.GetPicture(gateway_pb2.GetPictureRequest(name=p.name))).data
            for p in ended.pictures
        ]

    def follow(self, name, progress=None):
        """Watches a generation until it has ended, over lost connections."""
        after, heard = 0, time.monotonic()
        while True:
            try:
                request = gateway_pb2.WatchGenerationRequest(name=name, after=after)
                for event in self.generations.WatchGeneration(request):
                    after, heard = event.number, time.monotonic()
                    if event.generation.HasField("end_time"):
                        return event.generation
                    if progress and event.HasField("progress"):
                        progress(event.progress)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() - heard > PATIENCE:
                    raise failure(error) from error
            time.sleep(0.5)


def again(call):
    """Makes a call that is safe to repeat, until it is answered."""
    start, wait = time.monotonic(), 0.2
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() - start > PATIENCE:
                raise failure(error) from error
        time.sleep(wait)
        wait = min(2 * wait, 3)
