"""Export a trained model to ONNX, from spectrograms to tag probabilities, with metadata that explain both.

    howlow export --model results/demo/vgg/16k_mel96_x1_db/seed1/model.pt --onnx model.onnx

docs/tagging.md explains the input and the output, and has a program that tags with the exported model.
"""

import argparse
from pathlib import Path

from howlow import files, tagging


def main(args: argparse.Namespace) -> None:
    files.refuse_overwriting(args.onnx, [args.model])
    tagger = tagging.load(args.model)
    tagging.export_onnx(tagger, args.onnx)
    cell = tagger.cell
    shape = f"{cell.n_mels} bands and {cell.n_frames} frames"
    print(f"{args.onnx}: {tagger.description['representation']}, {shape} to {len(tagger.tags)} tags")


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--model", type=Path, required=True, help="model.pt of a training")
    options.add_argument("--onnx", type=Path, required=True, help="ONNX file to write")
