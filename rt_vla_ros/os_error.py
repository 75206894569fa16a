"""Says in words what the operating system has refused, and what to do."""

from __future__ import annotations

import errno

MEANING = {
    errno.EEXIST: "a file of this name exists; choose another path or remove the file",
    errno.ENOTDIR: "a part of this path is a file, not a directory; choose another path",
    errno.EISDIR: "this is a directory, expected a file; choose another path",
    errno.ENOENT: "no such file or directory; check the path",
    errno.ENOTEMPTY: "this directory is not empty; choose another path",
    errno.EACCES: "permission denied; change the permissions or choose another path",
    errno.EPERM: "permission denied; change the permissions or choose another path",
    errno.EROFS: "this file system is read-only; choose another path",
    errno.ENOSPC: "no space left on the disk; free some space or choose another path",
    errno.EDQUOT: "disk quota exceeded; free some space or choose another path",
    errno.EFBIG: "the file exceeds the limit of this user (ulimit -f); raise the limit or write less",
    errno.EMFILE: "too many open files for this user (ulimit -n); raise the limit, 1024 is usual",
    errno.ENFILE: "too many open files on this machine; stop other programs",
    errno.ENOMEM: "there is too little memory; end what else runs here",
    errno.EXDEV: "the two places are on different disks, where no hard link leads; use one disk, or copy",
    errno.EIO: "this could not be read or written; look whether the disk, or the terminal, is still there",
    errno.ELOOP: "this link leads to itself; choose another path",
    errno.ENAMETOOLONG: "this name is too long; choose another path",
}


def in_words(error: OSError) -> str:
    """PATH: what is wrong; what to do. The message as it is where it is a sentence already, or nothing is known."""
    meaning = MEANING.get(error.errno or 0)
    if meaning is None:
        return str(error)
    return f"{error.filename}: {meaning}." if error.filename is not None else f"{meaning[0].upper()}{meaning[1:]}."
