"""libnng by ctypes: the real library as a peer of the programs under test."""

import ctypes
import ctypes.util

_lib = ctypes.CDLL(ctypes.util.find_library("nng") or "libnng.so.1")


class _Socket(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint32)]


_lib.nng_strerror.restype = ctypes.c_char_p
_lib.nng_close.argtypes = [_Socket]
_lib.nng_dial.argtypes = [_Socket, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
_lib.nng_listen.argtypes = [_Socket, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
_lib.nng_send.argtypes = [_Socket, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
_lib.nng_recv.argtypes = [
    _Socket, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_int,
]
_lib.nng_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_set_ms = getattr(_lib, "nng_socket_set_ms", None) or _lib.nng_setopt_ms
_set_ms.argtypes = [_Socket, ctypes.c_char_p, ctypes.c_int32]
_set_size = getattr(_lib, "nng_socket_set_size", None) or _lib.nng_setopt_size
_set_size.argtypes = [_Socket, ctypes.c_char_p, ctypes.c_size_t]
_set = getattr(_lib, "nng_socket_set", None) or _lib.nng_setopt
_set.argtypes = [_Socket, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]

_ALLOC = 1
_OPEN = {
    "req": "nng_req0_open", "rep": "nng_rep0_open",
    "pub": "nng_pub0_open", "sub": "nng_sub0_open",
}


class NngError(OSError):
    pass


def _check(code):
    if code != 0:
        raise NngError(code, _lib.nng_strerror(code).decode())


class Socket:
    """A cooked nng socket: Socket("req"), "rep", "pub" or "sub"."""

    def __init__(self, kind, timeout_ms=10000):
        self._socket = _Socket()
        _check(getattr(_lib, _OPEN[kind])(ctypes.byref(self._socket)))
        _check(_set_ms(self._socket, b"recv-timeout", timeout_ms))
        _check(_set_ms(self._socket, b"send-timeout", timeout_ms))
        _check(_set_size(self._socket, b"recv-size-max", 1 << 24))
        if kind == "req":
            _check(_set_ms(self._socket, b"req:resend-time", -1))

    def dial(self, url):
        _check(_lib.nng_dial(self._socket, url.encode(), None, 0))

    def listen(self, url):
        _check(_lib.nng_listen(self._socket, url.encode(), None, 0))

    def subscribe(self, prefix):
        _check(_set(self._socket, b"sub:subscribe", prefix, len(prefix)))

    def send(self, data):
        _check(_lib.nng_send(self._socket, data, len(data), 0))

    def recv(self):
        pointer, size = ctypes.c_void_p(), ctypes.c_size_t()
        _check(_lib.nng_recv(
            self._socket, ctypes.byref(pointer), ctypes.byref(size), _ALLOC))
        data = ctypes.string_at(pointer, size.value)
        _lib.nng_free(pointer, size)
        return data

    def close(self):
        _lib.nng_close(self._socket)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
