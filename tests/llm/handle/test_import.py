"""What `import lastcall.llm` offers, and what it says without its extra."""

import subprocess
import sys

import lastcall.llm

WITHOUT_MSGSPEC = """
import sys
sys.modules["msgspec"] = None
try:
    import lastcall.llm
except ImportError as error:
    print(error)
"""


def test_without_msgspec_one_sentence_says_what_to_install() -> None:
    """The extra is named as one types it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MSGSPEC], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == 'lastcall.llm needs msgspec: pip install "lastcall[llm]"\n', done.stderr


def test_all_is_sorted_and_every_name_is_documented() -> None:
    """What the room offers is listed, sorted, importable and has a docstring."""
    assert list(lastcall.llm.__all__) == sorted(lastcall.llm.__all__)
    for name in lastcall.llm.__all__:
        assert getattr(lastcall.llm, name).__doc__, name
