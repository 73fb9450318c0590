"""Write a trained model as ONNX: spectrograms in, tag probabilities out, and what both mean as its metadata."""

import argparse
from argparse import Namespace
from pathlib import Path

from howlow import program, tagging
from howlow.errors import HowlowError


def main(args: Namespace) -> None:
    tagger = tagging.load(args.model)
    try:
        tagging.export_onnx(tagger, args.onnx)
    except OSError as error:
        raise HowlowError(f"{args.onnx}: can't be written: {error.strerror}") from None
    representation = tagger.representation
    shape = f"{representation.n_mels} bands and {representation.n_frames(tagger.seconds)} frames"
    print(f"{args.onnx}: {representation.name}, {shape} to {len(tagger.tags)} tags")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, required=True, help="model.pt of a training")
    options.add_argument("--onnx", type=Path, required=True, help="ONNX file to write")
    program.run(main, options)
