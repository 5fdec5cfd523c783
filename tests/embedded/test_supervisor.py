"""The supervisor starts in order, restarts what dies, gives up in time, and stops all in order."""

import io
import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from webapp.embedded.supervisor import Child, Patience, Supervisor

FAST = Patience(first_delay=0.01, longest_delay=0.02, quick_death=120)


def python(code, *arguments):
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]


class Outside:
    """A supervisor in a process of its own, so that it can be sent signals."""

    def __init__(self, code):
        script = (
            # A shell that runs the tests in the background has SIGINT ignored, and the supervisor respects that.
            "import pathlib, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from webapp.embedded.supervisor import Child, Patience, Supervisor\n"
            "FAST = Patience(0.01, 0.02, 120)\nPY = sys.executable\n" + textwrap.dedent(code)
        )
        self.process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        self.lines = []

    def read_until(self, wanted):
        while not self.lines or wanted not in self.lines[-1]:
            line = self.process.stdout.readline()
            assert line, f"ended before {wanted!r}: {self.lines}"
            self.lines.append(line.rstrip())
        return self.lines

    def end(self):
        rest, _ = self.process.communicate(timeout=120)
        self.lines += rest.splitlines()
        return self.process.returncode


@pytest.fixture
def outside():
    made = []

    def start(code):
        made.append(Outside(code))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        each.process.stdout.close()


STAYS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), sys.exit(0)))
print("up", flush=True)
while True: time.sleep(0.05)  # pause() would miss a signal that comes just before it
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_web_scheduler_workers_store_in_this_order(outside, number):
    supervisor = outside(f"""
        STAYS = {STAYS!r}
        children = [Child(n, [PY, "-c", STAYS], r) for n, r in
                    [("store", "store"), ("worker-1", "worker"), ("scheduler", "scheduler"), ("web", "web")]]
        seen = set()
        sys.exit(Supervisor(children, announce=lambda: print("all started", flush=True)).run())
    """)
    supervisor.read_until("all started")
    while sum(line.endswith("| up") for line in supervisor.lines) < 4:
        supervisor.lines.append(supervisor.process.stdout.readline().rstrip())
    supervisor.process.send_signal(number)
    assert supervisor.end() == 0
    goodbyes = [line.split()[0] for line in supervisor.lines if line.endswith("| bye")]
    assert goodbyes == ["web", "scheduler", "worker-1", "store"]


def test_children_start_only_when_the_one_before_is_ready(outside, tmp_path):
    marker = tmp_path / "ready"
    supervisor = outside(f"""
        marker = pathlib.Path({str(marker)!r})
        first = 'import pathlib, signal, sys; pathlib.Path(sys.argv[1]).write_text("x"); signal.pause()'
        second = 'import pathlib, signal, sys; print("saw", pathlib.Path(sys.argv[1]).exists()); signal.pause()'
        Supervisor([
            Child("first", [PY, "-c", first, str(marker)], "store", is_ready=marker.exists),
            Child("second", [PY, "-c", second, str(marker)], "web"),
        ]).run()
    """)
    assert "saw True" in supervisor.read_until("saw")[-1]
    supervisor.process.terminate()
    assert supervisor.end() == 0


def test_a_child_that_dies_starts_again(outside, tmp_path):
    supervisor = outside(f"""
        code = '''
        import os, pathlib, signal, sys
        mark = pathlib.Path(sys.argv[1])
        if mark.exists():
            print("second life", flush=True); signal.pause()
        mark.touch(); os.kill(os.getpid(), signal.SIGKILL)
        '''
        import textwrap
        child = Child("w", [PY, "-c", textwrap.dedent(code), {str(tmp_path / "m")!r}], "worker")
        sys.exit(Supervisor([child], patience=FAST).run())
    """)
    supervisor.read_until("second life")
    assert any("w was ended by SIGKILL; it starts again in 0.01 s" in line for line in supervisor.lines)
    supervisor.process.terminate()
    assert supervisor.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="pidfd is Linux's")
def test_a_child_that_ignores_sigterm_is_killed_with_its_family(outside):
    supervisor = outside("""
        code = '''
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pid = os.fork()
        if pid: print("grandchild", pid, flush=True)
        while True: time.sleep(0.05)
        '''
        import textwrap
        child = Child("deaf", [PY, "-c", textwrap.dedent(code)], "worker", stop_seconds=0.1)
        sys.exit(Supervisor([child]).run())
    """)
    grandchild = int(supervisor.read_until("grandchild")[-1].split()[-1])
    handle = os.pidfd_open(grandchild)
    supervisor.process.terminate()
    assert supervisor.end() == 0
    assert "deaf did not stop in time" in supervisor.lines[-1]
    assert select.select([handle], [], [], 60)[0]
    os.close(handle)


def test_it_gives_up_after_five_quick_deaths_and_stops_the_others(tmp_path):
    output = io.StringIO()
    starts = tmp_path / "starts"
    dying = python("import sys; open(sys.argv[1], 'a').write('x'); sys.exit(3)", starts)
    code = Supervisor(
        [
            Child("stays", python("import signal; signal.pause()"), "store"),
            Child("dies", dying, "worker"),
        ],
        output=output,
        patience=FAST,
    ).run()
    assert code == 1
    assert starts.read_text() == "xxxxx"
    assert "dies stopped with code 3 5 times in a row; giving up" in output.getvalue()


def test_a_late_death_resets_the_count(tmp_path):
    starts = tmp_path / "starts"
    dying = python(
        "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(len(open(sys.argv[1]).read()) > 7)", starts
    )
    output = io.StringIO()
    supervisor = Supervisor([Child("slow", dying, "worker")], output=output, patience=Patience(0.01, 0.01, 0))
    plan = supervisor._plan_restart

    def stop_after_seven(running, code):
        supervisor._stopping = code != 0
        return plan(running, code)

    supervisor._plan_restart = stop_after_seven
    assert supervisor.run() == 0
    assert len(starts.read_text()) == 8
    assert "giving up" not in output.getvalue()


def test_a_child_that_never_gets_ready_ends_the_start():
    output = io.StringIO()
    child = Child(
        "cold", python("import signal; signal.pause()"), "store", is_ready=lambda: False, ready_seconds=0.1
    )
    assert Supervisor([child], output=output).run() == 1
    assert "cold was not ready in 0.1 s" in output.getvalue()


def test_a_command_that_does_not_exist_is_said():
    output = io.StringIO()
    assert Supervisor([Child("web", ["/no/such/program"], "web")], output=output).run() == 1
    assert "web cannot be started: " in output.getvalue()
    assert "/no/such/program" in output.getvalue()


def test_output_goes_to_one_file_per_child(tmp_path):
    output = io.StringIO()
    child = Child(
        "loud", python("import os; print(os.environ['WORD']); print('no end', end='')"), "web", {"WORD": "é"}
    )
    assert Supervisor([child], output=output, log_folder=tmp_path / "logs", patience=FAST).run() == 1
    assert (tmp_path / "logs" / "loud.log").read_text() == "é\nno end\n" * 5
    assert "é" not in output.getvalue()


def test_signal_handlers_are_as_before_afterwards():
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)]
    Supervisor([Child("x", ["/no/such/program"], "web")], output=io.StringIO()).run()
    assert [
        signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    ] == before


def test_two_children_of_one_name_are_refused():
    with pytest.raises(ValueError, match="same name"):
        Supervisor([Child("a", ["true"], "web"), Child("a", ["true"], "web")])


def test_delays_double_up_to_a_limit():
    patience = Patience(first_delay=0.5, longest_delay=10)
    assert [patience.delay(n) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with a killed parent")
def test_children_end_when_the_supervisor_is_killed(outside):
    supervisor = outside("""
        code = 'import os, signal; print("pid", os.getpid(), flush=True); signal.pause()'
        Supervisor([Child("web", [PY, "-c", code], "web")]).run()
    """)
    pid = int(supervisor.read_until("pid")[-1].split()[-1])
    handle = os.pidfd_open(pid)
    supervisor.process.kill()
    try:
        assert select.select([handle], [], [], 60)[0]
    finally:
        os.close(handle)
