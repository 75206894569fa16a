"""Says in words what the operating system has refused, and what to do."""

from __future__ import annotations

import errno

MEANING = {
    errno.EEXIST: "there is a file of this name; name another place, or take the file away",
    errno.ENOTDIR: "a part of this path is a file, not a directory; name another place",
    errno.EISDIR: "this is a directory, expected a file; name another place",
    errno.ENOENT: "there is no such file or directory; look for a slip in the path",
    errno.ENOTEMPTY: "this directory is not empty; name another place",
    errno.EACCES: "this is not allowed to you; change the permissions, or name another place",
    errno.EPERM: "this is not allowed to you; change the permissions, or name another place",
    errno.EROFS: "this file system can only be read; name another place",
    errno.ENOSPC: "no space left on the disk; make room, or name another place",
    errno.EDQUOT: "no space left of what you are allowed; make room, or name another place",
    errno.EFBIG: "this file is larger than is allowed to you (ulimit -f); allow more, or write less",
    errno.EMFILE: "more files are open than are allowed to you (ulimit -n); allow more, 1024 is usual",
    errno.ENFILE: "more files are open than this machine allows; end what else runs here",
    errno.ENOMEM: "there is too little memory; end what else runs here",
    errno.EXDEV: "the two places are on different disks, where no hard link leads; use one disk, or copy",
    errno.EIO: "this could not be read or written; look whether the disk, or the terminal, is still there",
    errno.ELOOP: "this link leads to itself; name another place",
    errno.ENAMETOOLONG: "this name is too long; name another place",
}


def in_words(error: OSError) -> str:
    """PATH: what is wrong; what to do. The message as it is where it is a sentence already, or nothing is known."""
    meaning = MEANING.get(error.errno or 0)
    if meaning is None:
        return str(error)
    return f"{error.filename}: {meaning}." if error.filename is not None else f"{meaning[0].upper()}{meaning[1:]}."
