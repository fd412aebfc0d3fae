"""
Writes language models that know nothing: a few random weights, in the two forms that model servers read.

    python tools/tiny_models.py gguf tiny.gguf      for llama.cpp
    python tools/tiny_models.py hf FOLDER           for mlx-lm and others that read Hugging Face's layout

They are llamas of two layers, 1.5 MB, made with the standard library alone, always the same. What they say
are words of made-up letters, without end: whoever asks sets `max_tokens`.

Source: the GGUF specification, version 3 (ggml, docs/gguf.md); safetensors, "Format"; tokenizers'
`tokenizer.json`.
"""

from __future__ import annotations

import json
import math
import random
import struct
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 4096
WORDS = 1700
SPREAD = 0.05
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
GGUF_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class Tensor:
    """Weights: rows of `WIDTH` or `INNER` numbers, or one row."""

    shape: tuple[int, ...]
    """Rows and columns, or columns alone."""

    values: array[float]
    """32-bit floats, row by row."""

    @property
    def data(self) -> bytes:
        """The values, little-endian."""
        values = self.values
        if sys.byteorder == "big":
            values = values[:]
            values.byteswap()
        return values.tobytes()


def words(random_source: random.Random) -> list[str]:
    """Return `WORDS` different words."""
    found: dict[str, None] = {}
    while len(found) < WORDS:
        length = random_source.randint(2, 7)
        found["".join(random_source.choices("abcdefghijklmnopqrstuvwxyz", k=length))] = None
    return list(found)


def tensors(vocabulary: int, quiet: int, names: Mapping[str, str]) -> dict[str, Tensor]:
    """
    Return the weights of a model.

    Args:
        vocabulary: How many tokens it has.

        quiet: How many of the first of them it should hardly ever say.

        names: From the names used here to those of the form; those of a layer have a "{}".
    """
    source = random.Random(0)

    def noise(rows: int, columns: int, scale: float = 1.0, zero: int = 0) -> Tensor:
        count = (rows - zero) * columns
        drawn = (source.gauss(0, SPREAD * scale) for _ in range(count))
        return Tensor((rows, columns), array("f", [0.0] * (zero * columns)) + array("f", drawn))

    ones = Tensor((WIDTH,), array("f", [1.0] * WIDTH))
    made = {names["embed"]: noise(vocabulary, WIDTH, 20)}
    for layer in range(LAYERS):
        parts = {name: noise(WIDTH, WIDTH) for name in ("q", "k", "v", "o")}
        parts |= {"gate": noise(INNER, WIDTH), "up": noise(INNER, WIDTH), "down": noise(WIDTH, INNER)}
        parts |= {"norm_attention": ones, "norm_feed": ones}
        made |= {names[name].format(layer): tensor for name, tensor in parts.items()}
    return made | {names["norm"]: ones, names["head"]: noise(vocabulary, WIDTH, 80, zero=quiet)}


HF_NAMES = {
    "embed": "model.embed_tokens.weight",
    "norm": "model.norm.weight",
    "head": "lm_head.weight",
    "norm_attention": "model.layers.{}.input_layernorm.weight",
    "norm_feed": "model.layers.{}.post_attention_layernorm.weight",
    **{name: f"model.layers.{{}}.self_attn.{name}_proj.weight" for name in "qkvo"},
    **{name: f"model.layers.{{}}.mlp.{name}_proj.weight" for name in ("gate", "up", "down")},
}

GGUF_NAMES = {
    "embed": "token_embd.weight",
    "norm": "output_norm.weight",
    "head": "output.weight",
    "norm_attention": "blk.{}.attn_norm.weight",
    "norm_feed": "blk.{}.ffn_norm.weight",
    "o": "blk.{}.attn_output.weight",
    **{name: f"blk.{{}}.attn_{name}.weight" for name in "qkv"},
    **{name: f"blk.{{}}.ffn_{name}.weight" for name in ("gate", "up", "down")},
}


def write_hf(folder: Path) -> None:
    """Write a model in Hugging Face's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, quiet = hf_vocabulary()
    texts = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    files: dict[str, Any] = {
        "tokenizer.json": hf_tokenizer(vocabulary),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": CONTEXT,
            "chat_template": TEMPLATE,
            **texts,
        },
        "special_tokens_map.json": texts,
        "generation_config.json": ids,
        "config.json": {**hf_config(len(vocabulary)), **ids},
    }
    for name, data in files.items():
        (folder / name).write_text(json.dumps(data), encoding="utf-8")
    made = tensors(len(vocabulary), quiet, HF_NAMES)
    (folder / "model.safetensors").write_bytes(b"".join(safetensors(made)))


def hf_config(vocabulary: int) -> dict[str, Any]:
    """Return the description of the model's shape."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": WIDTH // HEADS,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "attention_bias": False,
        "mlp_bias": False,
    }


def hf_vocabulary() -> tuple[list[str], int]:
    """Return the tokens, and how many of the first are no words: special ones, and one for each byte."""
    # The 256 bytes as the letters that byte-level tokenizers write for them: printable ones as they are.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    base = ["<s>", "</s>", "<pad>", *letters]
    return base + [f"\u0120{word}" for word in words(random.Random(1))], len(base)


def hf_tokenizer(vocabulary: Sequence[str]) -> dict[str, Any]:
    """Return a byte-level tokenizer without merges: it reads bytes, and writes words as well."""
    special = [
        {"id": number, "content": vocabulary[number], "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for number in range(3)
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {"type": "BPE", "vocab": {text: at for at, text in enumerate(vocabulary)}, "merges": []},
    }


def safetensors(made: Mapping[str, Tensor]) -> Iterator[bytes]:
    """Yield the parts of a safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in made.items():
        end = at + 4 * math.prod(tensor.shape)
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header).encode()
    yield struct.pack("<Q", len(raw)) + raw
    yield from (tensor.data for tensor in made.values())


def write_gguf(file: Path) -> None:
    """Write a model in one file, as llama.cpp reads it."""
    texts, scores, kinds = gguf_vocabulary()
    made = tensors(len(texts), 259, GGUF_NAMES)
    about: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.file_type": 0,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // HEADS,
        "llama.vocab_size": len(texts),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": TEMPLATE,
    }
    file.write_bytes(b"".join(gguf(about, made)))


def gguf_vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Return the tokens, their scores, and their kinds: 2 unknown, 3 control, 6 a byte, 1 a text."""
    texts = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [2, 3, 3] + [6] * 256
    made = [f"\u2581{word}" for word in words(random.Random(1))]
    made += ["\u2581", *map(chr, range(33, 127))]
    scores = [0.0] * len(texts) + [-number / 10 for number in range(len(made))]
    return texts + made, scores, kinds + [1] * len(made)


def gguf(about: Mapping[str, Any], made: Mapping[str, Tensor]) -> Iterator[bytes]:
    """Yield the parts of a GGUF file."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(made), len(about))
    for name, value in about.items():
        head += gguf_text(name) + gguf_value(value)
    at = 0
    for name, tensor in made.items():
        dimensions = tensor.shape[::-1]
        head += gguf_text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, 0, at)
        at += padded(4 * math.prod(dimensions))
    yield head.ljust(padded(len(head)), b"\0")
    yield from (tensor.data.ljust(padded(len(tensor.data)), b"\0") for tensor in made.values())


def gguf_value(value: Any) -> bytes:
    """Return a value with its type before it."""
    kind, raw = gguf_typed(value)
    return struct.pack("<I", kind) + raw


def gguf_typed(value: Any) -> tuple[int, bytes]:
    """Return the number of a value's type, and the value."""
    if isinstance(value, list):
        kind = 5 if isinstance(value[0], int) else gguf_typed(value[0])[0]
        items = [struct.pack("<i", item) if kind == 5 else gguf_typed(item)[1] for item in value]
        return 9, struct.pack("<IQ", kind, len(value)) + b"".join(items)
    if isinstance(value, str):
        return 8, gguf_text(value)
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    return (4, struct.pack("<I", value)) if isinstance(value, int) else (6, struct.pack("<f", value))


def gguf_text(text: str) -> bytes:
    """Return a text with its length before it."""
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def padded(length: int) -> int:
    """Return the next length at which something may begin in a GGUF file."""
    return -(-length // GGUF_ALIGNMENT) * GGUF_ALIGNMENT


def main(arguments: list[str]) -> int:
    """Write the model asked for; return the exit status."""
    writers = {"gguf": write_gguf, "hf": write_hf}
    if len(arguments) != 2 or arguments[0] not in writers:
        print("usage: python tools/tiny_models.py gguf FILE | hf FOLDER", file=sys.stderr)
        return 2
    writers[arguments[0]](Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
