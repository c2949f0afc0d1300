"""Times the int8 matrix product of the GPU maker's own library: cuBLAS, or else rocBLAS.

    python3 gpu-vendor-product.py --name "NVIDIA H200" [--sizes 8192,16384] [--seconds 1]

Prints one line of JSON: {"library", "device", "products": [{"size", "way", "macsPerSecond", "fastest",
"runs"}]}, or {"absent": why} where there is no such library or device, or {"error": what} and ends with 1.
Of the ways that the library offers for a product the fastest is timed: its own first choice may be far
from it. The factors are random bytes. Some entries of each product are computed here as well, and
compared: a product that is wrong gives no figure. Needs nothing but Python 3.8 and the library.
"""

import argparse
import ctypes
import glob
import json
import os
import random
import sys
from ctypes import byref, c_char_p, c_float, c_int, c_int32, c_int64
from ctypes import c_size_t, c_uint, c_uint32, c_uint64, c_void_p

BLOCKS = 5
CHECKED_ENTRIES = 32
LT_ALGORITHMS = 16
LT_WORKSPACE = 64 * 2**20


class Absent(Exception):
    """There is nothing to measure here."""


class Failure(Exception):
    """There is something, and it failed."""


class Wrong(Failure):
    """It answered, and the answer is wrong."""


def packages():
    """Folders of Python packages, where libraries are installed too: of this Python and of others."""
    yield from sys.path
    for root in ("/usr/lib", "/usr/local/lib", "/opt/*/lib", "/opt/*/.venv/lib", "~/.local/lib"):
        yield from glob.glob(os.path.expanduser(root) + "/python3*/*-packages")


def folders():
    for variable in ("CUDA_HOME", "CUDA_PATH", "ROCM_PATH", "CONDA_PREFIX"):
        if os.environ.get(variable):
            yield os.path.join(os.environ[variable], "lib64")
            yield os.path.join(os.environ[variable], "lib")
    patterns = [
        "/usr/local/cuda*/lib64",
        "/usr/local/cuda*/targets/*/lib",
        "/opt/cuda/lib64",
        "/opt/rocm*/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/usr/local/nvidia/lib64",
        "/usr/lib/wsl/lib",
    ]
    patterns += [os.path.join(folder, "nvidia", "*", "lib") for folder in packages()]
    patterns += [os.path.join(folder, "torch", "lib") for folder in packages()]
    for pattern in patterns:
        # The newest of several versions first.
        yield from sorted(glob.glob(pattern), reverse=True)


def load(*names):
    """Loads the first library of these names that there is, and what lies beside it that it needs."""
    for name in names:
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
    problem = None
    for folder in folders():
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                continue
            for helper in glob.glob(os.path.join(folder, "libcublasLt.so.*")):
                try:
                    ctypes.CDLL(helper, mode=ctypes.RTLD_GLOBAL)
                except OSError:
                    pass
            try:
                return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
            except OSError as error:
                problem = error
    name = names[0].split(".")[0]
    raise Absent(f"{name} does not load: {problem}" if problem else f"no {name} here")


def call(library, name, *arguments):
    status = getattr(library, name)(*arguments)
    if status != 0:
        raise Failure(f"{name} answered {status}")


def choose(library, name_call, count, wanted):
    """Number and name of the device that is called so; of several, the first."""
    names = []
    for number in range(count):
        name = ctypes.create_string_buffer(256)
        call(library, name_call, name, c_int(256), c_int(number))
        names.append(name.value.decode())
        a, b = names[-1].lower(), wanted.lower()
        if a in b or b in a:
            return number, names[-1]
    raise Absent(f"no device called {wanted} (there are: {', '.join(names) or 'none'})")


# allocate, free, make an event, record, wait for and forget it, time between two
CUDA_CALLS = "cuMemAlloc_v2 cuMemFree_v2 cuEventCreate cuEventRecord cuEventSynchronize"
CUDA_CALLS += " cuEventDestroy_v2 cuEventElapsedTime"
HIP_CALLS = "hipMalloc hipFree hipEventCreateWithFlags hipEventRecord hipEventSynchronize"
HIP_CALLS += " hipEventDestroy hipEventElapsedTime"
CALLS = ("allocate", "free", "event", "record", "wait", "forget", "elapsed")


class Runtime:
    """Memory and events. CUDA's driver interface and HIP have the same calls under other names."""

    def __init__(self, library, calls):
        self.library = library
        self.calls = dict(zip(CALLS, calls.split()))

    def call(self, name, *arguments):
        call(self.library, self.calls[name], *arguments)

    def allocate(self, size):
        address = c_void_p()
        self.call("allocate", byref(address), c_size_t(size))
        return address

    def free(self, address):
        self.call("free", address)

    def event(self):
        event = c_void_p()
        self.call("event", byref(event), c_uint(0))
        return event

    def milliseconds(self, work):
        """How long the device was busy with what `work` gives it."""
        start, end = self.event(), self.event()
        self.call("record", start, None)
        work()
        self.call("record", end, None)
        self.call("wait", end)
        elapsed = c_float()
        self.call("elapsed", byref(elapsed), start, end)
        for event in (start, end):
            self.call("forget", event)
        return elapsed.value


TRANSPOSED, PLAIN = c_int(1), c_int(0)
CUDA_R_8I, CUDA_R_32I = c_int(3), c_int(10)
CUBLAS_COMPUTE_32I, CUBLAS_GEMM_DEFAULT = c_int(72), c_int(-1)
LT_TRANSA, LT_MAX_WORKSPACE = c_int(3), c_int(1)


class LtResult(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = [
        ("algorithm", c_uint64 * 8),
        ("workspace", c_size_t),
        ("state", c_int),
        ("waves", c_float),
        ("reserved", c_int * 4),
    ]


class Cublas(Runtime):
    workspace = None

    def __init__(self, wanted):
        cuda = load("libcuda.so.1")
        blas = load("libcublas.so.13", "libcublas.so.12", "libcublas.so.11")
        super().__init__(cuda, CUDA_CALLS)
        if cuda.cuInit(c_uint(0)) != 0:
            raise Absent("CUDA finds no device")
        count = c_int()
        call(cuda, "cuDeviceGetCount", byref(count))
        number, self.device = choose(cuda, "cuDeviceGetName", count.value, wanted)
        context = c_void_p()
        call(cuda, "cuDevicePrimaryCtxRetain", byref(context), c_int(number))
        call(cuda, "cuCtxSetCurrent", context)
        self.blas, self.handle = blas, c_void_p()
        call(blas, "cublasCreate_v2", byref(self.handle))
        version = c_int()
        call(blas, "cublasGetVersion_v2", self.handle, byref(version))
        major, rest = divmod(version.value, 10_000)
        self.library_name = f"cuBLAS {major}.{rest // 100}.{rest % 100}"

    def upload(self, address, data):
        call(self.library, "cuMemcpyHtoD_v2", address, c_char_p(data), c_size_t(len(data)))

    def read(self, address, at):
        entry = c_int32()
        call(self.library, "cuMemcpyDtoH_v2", byref(entry), c_void_p(address.value + at), c_size_t(4))
        return entry.value

    def ways(self, a, b, out, n):
        yield "cublasGemmEx", lambda: self.gemm(a, b, out, n)
        try:
            lt = load("libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11")
            multiply, algorithms = self.lt(lt, a, b, out, n)
        except (Absent, Failure, AttributeError):
            return
        for number, algorithm in enumerate(algorithms):
            yield f"cublasLt, algorithm {number}", lambda chosen=algorithm: multiply(chosen)

    def gemm(self, a, b, out, n):
        size, one, zero = c_int(n), c_int32(1), c_int32(0)
        call(
            self.blas, "cublasGemmEx", self.handle, TRANSPOSED, PLAIN, size, size, size,
            byref(one), a, CUDA_R_8I, size, b, CUDA_R_8I, size,
            byref(zero), out, CUDA_R_32I, size, CUBLAS_COMPUTE_32I, CUBLAS_GEMM_DEFAULT,
        )  # fmt: skip

    def lt(self, lt, a, b, out, n):
        """The function that multiplies by a given algorithm, and what algorithms there are."""
        handle, task, preference = c_void_p(), c_void_p(), c_void_p()
        call(lt, "cublasLtCreate", byref(handle))
        call(lt, "cublasLtMatmulDescCreate", byref(task), CUBLAS_COMPUTE_32I, CUDA_R_32I)
        call(lt, "cublasLtMatmulDescSetAttribute", task, LT_TRANSA, byref(TRANSPOSED), c_size_t(4))
        factor, product = c_void_p(), c_void_p()
        for layout, kind in ((factor, CUDA_R_8I), (product, CUDA_R_32I)):
            sizes = (c_uint64(n), c_uint64(n), c_int64(n))
            call(lt, "cublasLtMatrixLayoutCreate", byref(layout), kind, *sizes)
        call(lt, "cublasLtMatmulPreferenceCreate", byref(preference))
        limit = c_uint64(LT_WORKSPACE)
        call(
            lt, "cublasLtMatmulPreferenceSetAttribute", preference, LT_MAX_WORKSPACE, byref(limit),
            c_size_t(8),
        )  # fmt: skip
        found, count = (LtResult * LT_ALGORITHMS)(), c_int()
        call(
            lt, "cublasLtMatmulAlgoGetHeuristic", handle, task, factor, factor, product, product,
            preference, c_int(LT_ALGORITHMS), found, byref(count),
        )  # fmt: skip
        self.workspace = self.workspace or self.allocate(LT_WORKSPACE)

        def multiply(result):
            one, zero = c_int32(1), c_int32(0)
            call(
                lt, "cublasLtMatmul", handle, task, byref(one), a, factor, b, factor,
                byref(zero), out, product, out, product, byref(result.algorithm),
                self.workspace, c_size_t(LT_WORKSPACE), None,
            )  # fmt: skip

        return multiply, [each for each in found[: count.value] if each.state == 0]


class Rocblas(Runtime):
    def __init__(self, wanted):
        hip = load("libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so")
        blas = load("librocblas.so.5", "librocblas.so.4", "librocblas.so.3", "librocblas.so")
        super().__init__(hip, HIP_CALLS)
        count = c_int()
        if hip.hipGetDeviceCount(byref(count)) != 0:
            raise Absent("HIP finds no device")
        number, self.device = choose(hip, "hipDeviceGetName", count.value, wanted)
        call(hip, "hipSetDevice", c_int(number))
        self.blas, self.handle = blas, c_void_p()
        call(blas, "rocblas_create_handle", byref(self.handle))
        version = ctypes.create_string_buffer(64)
        call(blas, "rocblas_get_version_string", version, c_size_t(64))
        self.library_name = f"rocBLAS {version.value.decode()}"

    def upload(self, address, data):
        call(self.library, "hipMemcpy", address, c_char_p(data), c_size_t(len(data)), c_int(1))

    def read(self, address, at):
        entry = c_int32()
        call(self.library, "hipMemcpy", byref(entry), c_void_p(address.value + at), c_size_t(4), c_int(2))
        return entry.value

    def ways(self, a, b, out, n):
        yield "rocblas_gemm_ex", lambda: self.gemm(a, b, out, n)

    def gemm(self, a, b, out, n):
        int8, int32, plain, transposed = c_int(160), c_int(162), c_int(111), c_int(112)
        size, one, zero = c_int(n), c_int32(1), c_int32(0)
        standard, solution, flags = c_int(0), c_int32(0), c_uint32(0)
        call(
            self.blas, "rocblas_gemm_ex", self.handle, transposed, plain, size, size, size,
            byref(one), a, int8, size, b, int8, size,
            byref(zero), out, int32, size, out, int32, size, int32, standard, solution, flags,
        )  # fmt: skip


def signed(byte):
    return byte - 256 if byte > 127 else byte


def check(library, a, b, out, n):
    """Both factors lie column by column, the first one transposed: an entry is two columns' product."""
    for _ in range(CHECKED_ENTRIES):
        row, column = random.randrange(n), random.randrange(n)
        left, right = a[row * n : row * n + n], b[column * n : column * n + n]
        expected = sum(signed(x) * signed(y) for x, y in zip(left, right))
        actual = library.read(out, 4 * (column * n + row))
        if actual != expected:
            raise Wrong(f"wrong product: entry {row}, {column} is {actual}, should be {expected}")


def measure(library, n, seconds):
    a, b = os.urandom(n * n), os.urandom(n * n)
    addresses = []
    try:
        for size in (n * n, n * n, 4 * n * n):
            addresses.append(library.allocate(size))
        left, right, out = addresses
        library.upload(left, a)
        library.upload(right, b)

        def block(multiply, runs):
            def work():
                for _ in range(runs):
                    multiply()

            return library.milliseconds(work) / runs

        each, way, multiply = fastest_way(library.ways(left, right, out, n), block)
        runs = max(1, min(10_000, round(1000 * seconds / BLOCKS / max(each, 1e-3))))
        times = sorted(block(multiply, runs) for _ in range(BLOCKS))
        if times[0] <= 0:
            raise Failure("the device's clock stands still")
        check(library, a, b, out, n)
        macs = n**3
        return {
            "size": n,
            "way": way,
            "macsPerSecond": 1000 * macs / times[BLOCKS // 2],
            "fastest": 1000 * macs / times[0],
            "runs": runs * BLOCKS,
        }
    finally:
        for address in addresses:
            library.free(address)


def fastest_way(ways, block):
    best, problem = None, Failure("no way to multiply")
    for way, multiply in ways:
        try:
            block(multiply, 1)
            each = block(multiply, 2)
        except Failure as failure:
            problem = failure
            continue
        if best is None or each < best[0]:
            best = (each, way, multiply)
    if best is None:
        raise problem
    return best


def open_library(name):
    reasons = []
    for kind in (Cublas, Rocblas):
        try:
            return kind(name)
        except Absent as absent:
            reasons.append(str(absent))
    raise Absent("; ".join(reasons))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--sizes", default="4096,8192,16384")
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    library = open_library(options.name)
    products, problems = [], []
    for size in options.sizes.split(","):
        try:
            products.append(measure(library, int(size), options.seconds))
        except Failure as failure:
            # Too little memory for one size leaves the smaller ones; a wrong product leaves nothing.
            if isinstance(failure, Wrong):
                raise
            problems.append(f"size {size}: {failure}")
    if not products:
        raise Failure("; ".join(problems))
    return {"library": library.library_name, "device": library.device, "products": products}


if __name__ == "__main__":
    try:
        print(json.dumps(main()))
    except Absent as absent:
        print(json.dumps({"absent": str(absent)}))
    except (Failure, AttributeError) as error:
        # AttributeError: a library without one of the functions.
        print(json.dumps({"error": str(error)}))
        sys.exit(1)
