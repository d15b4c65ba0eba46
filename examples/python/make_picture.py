"""Enrols a person by photos and makes a picture of the person."""

import argparse
import sys
from pathlib import Path

from facestudio_mesh import Failure, Mesh, gateway_pb2, picture


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:7433", help="a running mesh, host:port")
    parser.add_argument("--tls", action="store_true", help="talk TLS")
    parser.add_argument("--token", help="an API key or access token; needs --tls")
    parser.add_argument("--face", action="append", required=True, help="photo of the person; repeat for several")
    parser.add_argument("--style", required=True, help="picture that says what to make")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", default="out.png")
    args = parser.parse_args()
    with Mesh(args.server, args.tls, args.token) as mesh:
        try:
            person = mesh.enrol("Ada", args.face, consent="form 7")
            for verdict in person.photo_verdicts:
                print(verdict.photo, "used" if verdict.used else verdict.fault.message)
            generation, pictures = mesh.generate(
                gateway_pb2.Generation(
                    subjects=[gateway_pb2.GenerationSubject(subject=person.name)],
                    style=picture(args.style),
                    seed=args.seed,
                ),
                progress=lambda event: print(event.progress.stage, event.progress.step, "of", event.progress.steps),
            )
        except Failure as why:
            sys.exit(f"{why}")
    Path(args.output).write_bytes(pictures[0])
    print(f"{person.name}: {generation.name} is {args.output}")


if __name__ == "__main__":
    main()
