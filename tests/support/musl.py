"""A program that looks up a name with the C library musl, as programs on Alpine Linux do."""

import shutil
import subprocess
from pathlib import Path

from tests.support.components import DIRECTORY, component, impossible

SOURCE = """\
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int count, char **words) {
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = 0;
    char text[INET_ADDRSTRLEN];
    if (count != 2 || getaddrinfo(words[1], 0, &wanted, &found)) return 2;
    for (; found; found = found->ai_next)
        puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text));
    return 0;
}
"""


def musl_lookup(directory: Path) -> Path:
    """Compile the program into `directory`. It prints the IPv4 addresses of its argument, or exits with 2."""
    compiler = component("musl-gcc")
    source, made = directory / "lookup.c", directory / "lookup"
    source.write_text(SOURCE)
    if not compiler.path.is_relative_to(DIRECTORY):
        command = [str(compiler.path), "-static"]
        objects = [str(source)]
    else:  # its own paths are those of an installed package
        gcc = shutil.which("gcc")
        if gcc is None:
            impossible("gcc is not here: install it")
        (library,) = (DIRECTORY / "root/usr/lib").glob("*-linux-musl")
        include = DIRECTORY / "root/usr/include" / library.name
        command = [gcc, "-static", "-nostdlib", "-nostdinc", "-isystem", str(include)]
        objects = [str(library / "crt1.o"), str(library / "crti.o"), str(source), str(library / "libc.a")]
        # On some processors, such as arm64, musl needs functions of the compiler.
        objects += ["-lgcc", str(library / "crtn.o")]
    subprocess.run([*command, *objects, "-o", str(made)], check=True, timeout=60)
    return made
