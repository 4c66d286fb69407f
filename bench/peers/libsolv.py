"""Solves a `resolver-cases/1` file with libsolv, and prints JSON: what it found and the milliseconds that it took.

    python3 libsolv.py CASES.json [--cpu]       (Debian: python3-solv)

Version number i is written i + 1; an interval is `name >= lo WITH name <= hi`, several are joined by OR. Every package
may be installed in one version only, as rpm has it. What a package needs only where it is present is a conflict with
the complement.
"""

import json
import sys
import time

import solv

CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter


class World:
    def __init__(self, universe):
        self.pool = solv.Pool()
        self.pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self.pool.setarch("x86_64")
        self.repo = self.pool.add_repo("cases")
        self.solvables = {}
        self.known = {}
        self.universe = universe
        for name, package in universe.items():
            optional = package.get("optional") or []
            for index, needs in enumerate(package["deps"]):
                self.add(name, index, needs, (optional[index] if index < len(optional) else None) or {})
        self.pool.createwhatprovides()

    def add(self, name, index, needs, optional):
        solvable = self.repo.add_solvable()
        solvable.name = name
        solvable.evr = f"{index + 1}-1"
        solvable.arch = "noarch"
        solvable.add_provides(self.pool.rel2id(solvable.nameid, solvable.evrid, solv.REL_EQ))
        for other, number in needs.items():
            solvable.add_requires(self.range(other, number))
        for other, number in optional.items():
            count = len(self.universe[other]["versions"])
            bounds = self.universe[other]["ranges"][number][1:]
            for interval in complement(bounds, count):
                solvable.add_conflicts(self.interval(other, *interval))
        self.solvables[name, index] = solvable

    def range(self, name, number):
        key = name, number
        if key not in self.known:
            package = self.universe.get(name)
            self.known[key] = self.union(name, package["ranges"][number][1:] if package else [])
        return self.known[key]

    def union(self, name, bounds):
        """The versions of a package within any of the intervals; of none, what nobody provides."""
        intervals = [self.interval(name, bounds[k], bounds[k + 1]) for k in range(0, len(bounds), 2)]
        if not intervals:
            return self.pool.str2id(f"{name}(nothing)")
        found = intervals[0]
        for one in intervals[1:]:
            found = self.pool.rel2id(found, one, solv.REL_OR)
        return found

    def interval(self, name, low, high):
        own = self.pool.str2id(name)
        low_id, high_id = self.pool.str2id(f"{low + 1}-1"), self.pool.str2id(f"{high + 1}-1")
        if low == high:
            return self.pool.rel2id(own, low_id, solv.REL_EQ)
        lowest = self.pool.rel2id(own, low_id, solv.REL_GT | solv.REL_EQ)
        highest = self.pool.rel2id(own, high_id, solv.REL_LT | solv.REL_EQ)
        return self.pool.rel2id(lowest, highest, solv.REL_WITH)

    def solve(self, jobs):
        solver = self.pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        return "unsat" if solver.solve(jobs) else "sat"

    def case(self, one):
        jobs = []
        for name, (_, *bounds) in {**one["root"], **(one.get("overrides") or {})}.items():
            wanted = self.union(name, bounds)
            jobs.append(self.pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE_PROVIDES, wanted))
        return self.solve(jobs)


def complement(bounds, count):
    at = 0
    for k in range(0, len(bounds), 2):
        if bounds[k] > at:
            yield at, bounds[k] - 1
        at = bounds[k + 1] + 1
    if at < count:
        yield at, count - 1


def milliseconds(since):
    return (CLOCK() - since) * 1000


def roots(file):
    """Each version of each package, installed by itself; one letter a version."""
    started = CLOCK()
    world = World(next(iter(file["universes"].values())))
    compiled = milliseconds(started)
    started = CLOCK()
    answers = {}
    for name in file["roots"]:
        letters = ""
        for index in range(len(world.universe[name]["versions"])):
            job = world.pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE, world.solvables[name, index].id)
            letters += "s" if world.solve([job]) == "sat" else "u"
        answers[name] = letters
    return {"answers": answers, "compile": compiled, "solve": milliseconds(started)}


def cases(file):
    answers = {}
    compile_time = solve_time = 0
    for one in file["cases"]:
        started = CLOCK()
        world = World(file["universes"][one["universe"]])
        compile_time += milliseconds(started)
        started = CLOCK()
        answers[one["name"]] = world.case(one)
        solve_time += milliseconds(started)
    return {"answers": answers, "compile": compile_time, "solve": solve_time}


with open(sys.argv[1], encoding="utf-8") as source:
    data = json.load(source)
print(json.dumps(roots(data) if data.get("roots") else cases(data)))
