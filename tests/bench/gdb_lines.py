"""What lineprof measures, measured by gdb: the oracle of the increments, and the slow side of the benchmark.

Run by gdb itself, on a program of one thread:

    LINES_OF="work other" LINES_TO=out.json gdb -nx -q -batch -x gdb_lines.py --args PROGRAM ARGS...

It stops at every row of the line table that begins a statement of the functions named (and at their returns), reads
anonymous memory from /proc/PID/statm at each stop, and charges what came or went to the line that ran in between. The
rules are lineprof's, the code shares nothing with it: rows come from objdump, functions from nm, returns from gdb's
disassembler.
"""

import json
import os
import re
import subprocess
import time

import gdb

PAGE = os.sysconf("SC_PAGE_SIZE")


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def functions_of(program, wanted):
    """Ranges [start, end) of every function whose path ends in one of the names, by its readable name."""
    ranges = {}
    for line in output_of("nm", "-C", "-S", program).splitlines():
        fields = line.split(None, 3)
        if len(fields) < 4 or fields[2] not in "tTwW":
            continue
        name = re.sub(r"<[^()]*>(?=\(|$)", "", fields[3].split("(")[0])
        name = name.split()[-1]
        for function in wanted:
            if name == function or name.endswith("::" + function):
                start, size = int(fields[0], 16), int(fields[1], 16)
                ranges[start] = (function, start, start + size)
    return sorted(ranges.values(), key=lambda one: one[1])


def rows_of(program):
    """(address, line) of the line table's rows that begin a statement, in the table's order."""
    rows = []
    for line in output_of("objdump", "--dwarf=decodedline", program).splitlines():
        fields = line.split()
        if len(fields) >= 4 and fields[1].isdigit() and fields[-1] == "x" and fields[2].startswith("0x"):
            if int(fields[1]) > 0:
                rows.append((int(fields[2], 16), int(fields[1])))
    return rows


class Frame:
    def __init__(self, function, sp, memory):
        self.function = function
        self.sp = sp
        self.line = None
        self.mark = memory


class Recorder:
    def __init__(self):
        self.frames = []
        self.increments = {}
        self.hits = 0
        self.statm = None

    def memory(self):
        resident, shared = os.pread(self.statm, 128, 0).split()[1:3]
        return (int(resident) - int(shared)) * PAGE

    def charge(self, depth, memory):
        frame = self.frames[depth]
        change = memory - frame.mark
        frame.mark = memory
        outer = self.frames[:depth]
        if frame.line is None or any(o.function == frame.function and o.line == frame.line for o in outer):
            return
        lines = self.increments.setdefault(frame.function, {})
        lines[frame.line] = lines.get(frame.line, 0) + change

    def close(self, memory):
        self.charge(len(self.frames) - 1, memory)
        self.frames.pop()

    def arrive(self, site, sp):
        memory = self.memory()
        self.hits += 1
        while self.frames and (self.frames[-1].sp < sp or (site.entry and self.frames[-1].sp == sp)):
            self.close(memory)
        if site.entry:
            self.frames.append(Frame(site.function, sp, memory))
        self.charge(len(self.frames) - 1, memory)
        if site.lines:
            self.frames[-1].line = site.lines[-1]
        if site.exit:
            self.close(memory)

    def finish(self):
        # A frame that longjmp left stays open where nothing comes after it: what it called has grown since its mark.
        memory = self.memory()
        while self.frames:
            self.close(memory)


class Site(gdb.Breakpoint):
    def __init__(self, address, function, recorder):
        super().__init__("*%#x" % address, internal=True)
        self.silent = True
        self.function = function
        self.recorder = recorder
        self.lines = []
        self.entry = False
        self.exit = False

    def stop(self):
        self.recorder.arrive(self, int(gdb.selected_frame().read_register("rsp")))
        return False


def main():
    wanted = os.environ["LINES_OF"].split()
    program = gdb.current_progspace().filename
    for setting in ("pagination off", "confirm off", "debuginfod enabled off", "startup-with-shell off"):
        gdb.execute("set " + setting)
    functions = functions_of(program, wanted)
    rows = rows_of(program)
    main_address = next(start for _, start, _ in functions_of(program, ["main"]))

    gdb.execute("tbreak *main", to_string=True)
    gdb.execute("run", to_string=True)
    bias = int(gdb.selected_frame().pc()) - main_address
    recorder = Recorder()
    recorder.statm = os.open("/proc/%d/statm" % gdb.selected_inferior().pid, os.O_RDONLY)

    sites = {}

    def site(address, function):
        if address not in sites:
            sites[address] = Site(address + bias, function, recorder)
        return sites[address]

    architecture = gdb.selected_frame().architecture()
    for function, start, end in functions:
        for address, line in rows:
            if start <= address < end:
                site(address, function).lines.append(line)
        site(start, function).entry = True
        for instruction in architecture.disassemble(start + bias, end + bias - 1):
            if re.search(r"\bret", instruction["asm"]):
                site(instruction["addr"] - bias, function).exit = True

    # The thread's end, while its memory can still be read.
    gdb.execute("catch syscall exit_group", to_string=True)
    begun = time.monotonic()
    gdb.execute("continue", to_string=True)
    elapsed = time.monotonic() - begun
    recorder.finish()
    with open(os.environ["LINES_TO"], "w") as out:
        json.dump({"events": recorder.hits, "seconds": elapsed, "increments": recorder.increments}, out)


main()
