"""make install, and what a service author finds there."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT

STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

pytestmark = [
    pytest.mark.skipif("san" in BUILD.name, reason="a sanitizer build is not for installing"),
    pytest.mark.xdist_group("install"),  # one make in the build folder at a time
]


def make(target, root):
    result = subprocess.run(
        ["make", "--no-print-directory", f"B={os.environ.get('MSVC_BUILD', 'build')}",
         f"DESTDIR={root}", "PREFIX=/usr", target],
        cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def files_of(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("install") / "a root"
    make("install", root)
    return root


@pytest.fixture(scope="module")
def compiler():
    path = shutil.which("cc") or shutil.which("gcc")
    if path is None or shutil.which("pkg-config") is None:
        pytest.skip("no C compiler or no pkg-config")
    return path


def pkg_config(root, *args):
    """What pkg-config says to somebody for whom root is /.

    Not by PKG_CONFIG_SYSROOT_DIR, which cannot have a space in it.
    """
    usr = str(root / "usr").replace(" ", "\\ ")
    result = subprocess.run(
        ["pkg-config", f"--define-variable=includedir={usr}/include",
         f"--define-variable=libdir={usr}/lib", *args, "msvc"],
        env={**os.environ, "PKG_CONFIG_PATH": str(root / "usr/lib/pkgconfig")},
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return shlex.split(result.stdout)


def readme_service():
    """The first C program of README.md."""
    text = (ROOT / "README.md").read_text()
    return re.search(r"^```c\n(.*?)^```", text, re.M | re.S).group(1)


SOURCES = {
    "readme": readme_service,
    "hello": lambda: (ROOT / "svc/samples/hello.c").read_text(),
}


def compile_service(compiler, installed, tmp_path, source, flags):
    path = tmp_path / "service.c"
    path.write_text(source)
    program = tmp_path / "service"
    result = subprocess.run(
        [compiler, *STRICT, *pkg_config(installed, "--cflags"), "-o", program, path, *flags],
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return program


def assert_it_serves(msvc, program, library_path=None):
    env = f"env.LD_LIBRARY_PATH = {library_path}\n" if library_path else ""
    msvc.start(f"[service hello]\ncommand = {program}\nroute = /\n{env}")
    assert msvc.get("/hello").json == {"hello": "world"}


@pytest.mark.parametrize("name", SOURCES)
def test_a_first_service_is_built_with_the_static_library(
        installed, compiler, msvc, tmp_path, name):
    libs = pkg_config(installed, "--libs", "--static")
    libs = [str(installed / "usr/lib/libmsvc.a") if lib == "-lmsvc" else lib for lib in libs]
    program = compile_service(compiler, installed, tmp_path, SOURCES[name](), libs)
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True)
    assert "libmsvc" not in needed.stdout
    assert_it_serves(msvc, program)


@pytest.mark.parametrize("name", SOURCES)
def test_a_first_service_is_built_with_the_shared_library(
        installed, compiler, msvc, tmp_path, name):
    libs = pkg_config(installed, "--libs")
    program = compile_service(compiler, installed, tmp_path, SOURCES[name](), libs)
    needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True)
    assert "libmsvc.so.0" in needed.stdout
    assert_it_serves(msvc, program, installed / "usr/lib")


def test_the_header_is_for_cxx_too(installed, tmp_path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    source = tmp_path / "service.cc"
    source.write_text(
        "#include <svc/svc.h>\n"
        "int main() { svc *s = svc_new(); return svc_run(s); }\n")
    result = subprocess.run(
        [compiler, "-std=c++11", *STRICT[1:], *pkg_config(installed, "--cflags"),
         "-o", tmp_path / "service", source, *pkg_config(installed, "--libs")],
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("args", [
    ["-g", "usr/lib/libmsvc.a"],
    ["-D", "usr/lib/libmsvc.so.0"],
])
def test_the_library_exports_what_the_header_declares_and_no_more(installed, args):
    result = subprocess.run(
        ["nm", args[0], "--defined-only", installed / args[1]],
        capture_output=True, text=True, check=True)
    names = {line.split()[2] for line in result.stdout.splitlines() if len(line.split()) == 3}
    header = (installed / "usr/include/msvc/svc/svc.h").read_text()
    declared = set(re.findall(r"^SVC_EXPORT[^;(]*?\b\*?(svc_\w+)\(", header, re.M))
    assert len(declared) > 50
    assert names == declared


def test_uninstall_leaves_nothing_but_the_configuration(installed, tmp_path):
    root = tmp_path / "another root"
    make("install", root)
    assert files_of(root) == files_of(installed)
    config = root / "etc/msvc/msvc.ini"
    config.write_text(config.read_text() + "# mine\n")
    make("install", root)
    assert config.read_text().endswith("# mine\n")
    make("uninstall", root)
    assert files_of(root) == {"etc/msvc/msvc.ini"}
