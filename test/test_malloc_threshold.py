from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
from rt_vla_ros.malloc_threshold import fix_malloc_threshold

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
if sys.argv[1] == "fixed":
    fix_malloc_threshold()
libc.free(libc.malloc(8 << 20))
before = libc.mallinfo2().hblks
image = libc.malloc(1 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not glibc, or one before 2.33")
@pytest.mark.parametrize(("how", "apart"), [("fixed", "1"), ("as it is", "0")])
def test_an_image_has_memory_of_its_own_after_another_was_freed(how: str, apart: str) -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == apart
