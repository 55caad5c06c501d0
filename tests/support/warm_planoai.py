"""planoai's Python as a process of its own, forked from one that has loaded what planoai imports, which takes long.

planoai itself is loaded anew in each fork, under the environment of the call: nothing of one call is left in the next,
but its schema, which it reads twice for every configuration.

`$PLANOAI warm_planoai.py --serve SOCKET` forks for each call until its stdin ends. `python -IS warm_planoai.py SOCKET
ARGUMENT...` needs nothing that is installed: it runs code, where the arguments are `-c CODE ARGUMENT...`, as planodev
has planoai judge a configuration, and else the recorder, the program `planoai` on the PATH of a test.
"""

import json
import os
import select
import signal
import socket
import struct
import sys

LENGTH = struct.Struct("!I")
RECORDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "planoai_recorder.py")


def ask(place, arguments):
    """Have a call made with the streams, the environment and the directory of this process; returns its exit code."""
    os.umask(umask := os.umask(0))
    call = json.dumps([arguments, dict(os.environ), os.getcwd(), umask]).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        socket.send_fds(connection, [LENGTH.pack(len(call))], [0, 1, 2])
        connection.sendall(call)
        return LENGTH.unpack(connection.recv(LENGTH.size, socket.MSG_WAITALL))[0]


def serve(place):
    """Fork for each call; returns its arguments in the forks."""
    from planoai import config_generator, core, docker_cli, main, native_runner  # noqa: F401  what these import stays

    remember_schema()
    for name in [name for name in sys.modules if name.partition(".")[0] == "planoai"]:
        del sys.modules[name]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return answer(connection)
            connection.close()
    sys.exit()


def answer(connection):
    """Take over what was sent, and tell the exit code once the fork that does the work has ended.

    Returns:
        The arguments of the call, in the fork that does the work.

    """
    length, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
    arguments, environment, directory, umask = json.loads(connection.recv(LENGTH.unpack(length)[0], socket.MSG_WAITALL))
    if child := os.fork():
        _, state = os.waitpid(child, 0)
        connection.sendall(LENGTH.pack(os.waitstatus_to_exitcode(state) % 256))
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    return arguments


def remember_schema():
    """Have planoai get its own schema as it was read before."""
    import planoai
    import yaml

    with open(os.path.join(os.path.dirname(planoai.__file__), "data", "plano_config_schema.yaml")) as file:
        text = file.read()
    load, schema = yaml.safe_load, yaml.safe_load(text)
    yaml.safe_load = lambda given: schema if given == text else load(given)


if __name__ == "__main__":
    if sys.argv[1] != "--serve":
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
    import runpy

    given = serve(sys.argv[2])
    if given[:1] == ["-c"]:
        sys.argv = ["-c", *given[2:]]
        exec(compile(given[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [RECORDER, *given]
        runpy.run_path(RECORDER, run_name="__main__")
