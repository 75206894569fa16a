"""Offscreen rendering of a MuJoCo model with an available OpenGL library."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib
import importlib.util
import os
import sys
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

LIBRARIES = ("egl", "osmesa", "glfw")
EGL_PLATFORM_DEVICE_EXT = 0x313F
NO_LIBRARY = (
    "No OpenGL library for offscreen rendering works here ({tried}). Install one: on Debian and Ubuntu "
    "`apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0`. Or choose with the environment variable "
    "MUJOCO_GL=egl|osmesa|glfw."
)


def open_context(width: int, height: int) -> Any:
    """Creates an OpenGL context: with the user's MUJOCO_GL if set, else EGL if it works, else OSMesa.

    The choice is stored in MUJOCO_GL, where MuJoCo's loader looks for it.
    Raises RuntimeError, with the packages to install, if none works.
    """
    name = choose_library()
    try:
        context = _import_context(name)(width, height)
        context.make_current()
    except Exception as error:
        raise RuntimeError(NO_LIBRARY.format(tried=f"{name}: {error}")) from error
    return context


def choose_library() -> str:
    """MuJoCo's module for the OpenGL library to use: egl, osmesa or glfw; gl_context on other systems than Linux."""
    if not sys.platform.startswith("linux"):
        return "gl_context"
    load_triton()
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    if chosen not in LIBRARIES:
        chosen = "egl" if egl_works() else "osmesa"
        os.environ["MUJOCO_GL"] = chosen
    return chosen


@functools.cache
def load_triton() -> None:
    """Loads the library of triton, which comes with PyTorch's CUDA builds, if it is installed.

    It must be loaded before Mesa: both contain LLVM, and Mesa makes its own symbols global. The symbols of a triton
    that is imported later would bind to them, and the process would crash.
    """
    triton = importlib.util.find_spec("triton")
    for directory in triton.submodule_search_locations or () if triton is not None else ():
        with contextlib.suppress(OSError):  # without a library, or a damaged one: triton itself reports it
            ctypes.CDLL(os.path.join(directory, "_C", "libtriton.so"))


def egl_works() -> bool:
    """Whether EGL finds a rendering device.

    Loads EGL with RTLD_LOCAL: once loaded, PyOpenGL's EGL would prevent OSMesa from working in this process.
    """
    try:
        egl = ctypes.CDLL("libEGL.so.1")
        try:
            ctypes.CDLL("libOpenGL.so.0")
        except OSError:
            ctypes.CDLL("libGL.so.1")
    except OSError:
        return False
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    query, display_of = (egl.eglGetProcAddress(name) for name in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT"))
    if not (query and display_of):
        return False
    handles, integer = ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    query_devices = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, handles, integer)(query)
    platform_display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, integer)(display_of)
    egl.eglInitialize.argtypes = (ctypes.c_void_p, integer, integer)
    devices, count = (ctypes.c_void_p * 32)(), ctypes.c_int()
    if not query_devices(32, devices, ctypes.byref(count)):
        return False
    selected = os.environ.get("MUJOCO_EGL_DEVICE_ID")
    for device in devices[: count.value] if selected is None else devices[int(selected) :][:1]:
        display = platform_display(EGL_PLATFORM_DEVICE_EXT, device, None) if device else None
        if display and egl.eglInitialize(display, None, None):
            return True
    return False


def _import_context(name: str) -> Any:
    context = importlib.import_module(f"mujoco.{name}").GLContext
    context._context = None  # otherwise a failed context prints an error when it is deleted
    return context


_open: weakref.WeakSet[OffscreenRenderer] = weakref.WeakSet()


def _close_all() -> None:
    """Closes all contexts at exit: EGL reports errors for contexts that outlive it."""
    for renderer in list(_open):
        renderer.close()


class OffscreenRenderer:
    """Renders one model at one size. Create and use it in the same thread: OpenGL contexts belong to threads."""

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, groups: tuple[int, ...], *, for_display: bool
    ) -> None:
        """width, height: of the images [px]. groups: visible MuJoCo geom groups.

        for_display: with shadows and 2 x 2 supersampling; policies do not get such images.
        """
        self.width, self.height, self._oversample = width, height, 2 if for_display else 1
        oversample = self._oversample
        size = (width * oversample, height * oversample)
        self._context = open_context(*size)
        quality, glob = model.vis.quality, model.vis.global_
        quality.offsamples, quality.shadowsize = 0, 4096 if for_display else 0
        glob.offwidth, glob.offheight = size
        self._draw = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._draw)
        self._scene = mujoco.MjvScene(model, maxgeom=400)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = for_display
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [group in groups for group in range(len(self._option.geomgroup))]
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._rect = mujoco.MjrRect(0, 0, *size)
        self._pixels = np.empty((size[1], size[0], 3), np.uint8)
        if not _open:  # registered after EGL's own exit function, to run before it
            atexit.unregister(_close_all)
            atexit.register(_close_all)
        _open.add(self)

    def render(self, model: mujoco.MjModel, data: mujoco.MjData, camera: int) -> NDArray[np.uint8]:
        """RGB image of a fixed camera (its id), uint8, shape (height, width, 3), top row first."""
        self._camera.fixedcamid = camera
        self._context.make_current()
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(model, data, self._option, None, self._camera, everything, self._scene)
        mujoco.mjr_render(self._rect, self._scene, self._draw)
        mujoco.mjr_readPixels(self._pixels, None, self._rect, self._draw)
        picture: NDArray[np.uint8] = self._pixels[::-1]
        if self._oversample > 1:
            k = self._oversample
            blocks = picture.reshape(self.height, k, self.width, k, 3)
            return np.asarray(blocks.mean(axis=(1, 3)), np.uint8)
        return np.array(picture)

    def close(self) -> None:
        """Releases the graphics memory; the renderer cannot be used afterwards."""
        _open.discard(self)
        with contextlib.suppress(Exception):  # a context in use by another thread cannot be freed from here
            self._context.make_current()
            self._draw.free()
            self._context.free()
