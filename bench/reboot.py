#!/usr/bin/env python3
"""Reboots N machines with a fixed upstream latency: our operation against a script.

    cargo build --profile dist && bench/reboot.py target/dist/cwsgate

Everything runs on this machine, in one run, so that the ratios mean something anywhere:

  script      one POST $reboot after another over one connection, as such scripts do
  same calls  the calls that the gateway makes (read, reboot, job), one after another
  operation   POST /v1/operations with maxConcurrency 32, until it has ended

and what the durable store costs for each item, with an upstream that answers at once.

With --growth 10000 it compares an operation of 200 items with one of 10,000 instead, again in one
run: the gateway's resident memory, the time for each item, and the time of each look at the
operation and at its items.

Standard library only. Exit code 1 when a bound is missed.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import uuid

BOUNDS = {"operation / same calls": 0.10, "operation without recheck / script": 0.15}
FEW = 200
LOOKS = 300
# Of the time of a look at many items to that of one at few, and of memory in MiB at the most.
LOOK_BOUND = 1.5
MEMORY_BOUND = 128
SECRET = "bench+bench/secret=="


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", help="the cwsgate to measure; build it with --profile dist")
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--latency-ms", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--database", help="database.url; a SQLite file by default")
    parser.add_argument("--growth", type=int, metavar="ITEMS", help="compare so many items with 200")
    options = parser.parse_args()
    if options.growth:
        raise SystemExit(growth(options))
    with contextlib.ExitStack() as stack:
        bench = Bench(options, stack)
        script = bench.script(options.machines, ["reboot"])
        same = bench.script(options.machines, ["read", "reboot-job", "job"])
        with_recheck = bench.operation({})
        without = bench.operation({"recheck": False})
        bench.simulate({"latencyMs": 0})
        quick = bench.operation({"recheck": False})
    print(f"machines {options.machines}, latency {options.latency_ms} ms, concurrency {options.concurrency}")
    for name, seconds in [
        ("script, one POST at a time", script),
        ("same calls, one at a time", same),
        ("operation", with_recheck),
        ("operation without recheck", without),
    ]:
        print(f"  {name:32} {seconds:8.3f} s")
    each = quick / options.machines * 1000
    print(f"  {'overhead per item, no latency':32} {each:8.3f} ms")
    ratios = {
        "operation / same calls": with_recheck / same,
        "operation without recheck / script": without / script,
    }
    missed = False
    for name, ratio in ratios.items():
        bound = BOUNDS[name]
        missed |= verdict(name, ratio, bound)
    raise SystemExit(1 if missed else 0)


def growth(options):
    """Whether bigger operations cost more than in proportion: 1 if they do."""
    sizes = {"Few": FEW, "Flock": options.growth}
    paths, each, memory = {}, {}, {}
    with contextlib.ExitStack() as stack:
        bench = Bench(options, stack, sizes)
        bench.simulate({"latencyMs": 0})
        for catalog, machines in sizes.items():
            bench.forget_peak()
            before = bench.memory("VmRSS")
            seconds = bench.operation({"recheck": False}, catalog, machines)
            each[catalog] = seconds / machines * 1000
            memory[catalog] = before, bench.memory("VmHWM"), bench.memory("VmRSS")
            paths[catalog] = bench.last
        looks = {
            "the operation": "",
            "a page of its items": "/items?pageSize=100",
            "its failed items": "/items?state=failed",
        }
        times = {(name, catalog): [] for name in looks for catalog in sizes}
        for _ in range(LOOKS):
            for name, catalog in times:
                began = time.perf_counter()
                bench.gateway.ask("GET", paths[catalog] + looks[name])
                times[name, catalog].append(time.perf_counter() - began)
    missed = False
    for catalog, machines in sizes.items():
        before, peak, after = memory[catalog]
        print(f"operation of {machines:6} items: {each[catalog]:6.3f} ms each; memory"
              f" {before:6.1f} MiB before, {peak:6.1f} at most, {after:6.1f} after")
    grown = memory["Flock"][1] - memory["Flock"][0]
    missed |= verdict("memory for the bigger one, MiB", grown, MEMORY_BOUND)
    for name in looks:
        few, many = (statistics.median(times[name, catalog]) for catalog in sizes)
        print(f"look at {name:20} {few * 1000:6.3f} ms and {many * 1000:6.3f} ms")
        missed |= verdict("  ratio", many / few, LOOK_BOUND)
    return int(missed)


def verdict(name, value, bound):
    print(f"  {name:36} {value:6.3f}  (bound {bound}) {'MISSED' if value > bound else 'ok'}")
    return value > bound


class Bench:
    def __init__(self, options, stack, catalogs=None):
        self.options = options
        catalogs = catalogs or {"Flock": options.machines}
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        scenario = {
            "regions": [{"name": "us"}],
            "customers": [{
                "name": "acme", "id": "abcd1024xyz", "region": "us", "clientId": "bench",
                "clientSecret": SECRET,
                "catalogs": [
                    {"name": name, "generate": {"count": machines, "prefix": name + "-"}}
                    for name, machines in catalogs.items()],
            }],
        }
        path = os.path.join(folder, "scenario.json")
        with open(path, "w") as file:
            json.dump(scenario, file)
        arguments = ["simulate", "--listen", "127.0.0.1:0", "--scenario", path, "--output", "json"]
        said = self.start(stack, arguments)
        self.control = Http(said["simulator"])
        self.citrix = Http(said["regions"]["us"])
        url = said["regions"]["us"]
        # Jobs are done when they are looked at; a reboot is over by the next round.
        self.simulate({"latencyMs": options.latency_ms, "jobStartMs": 0, "jobMs": 0, "rebootMs": 1})
        made = subprocess.run(
            [options.program, "key", "new", "--app", "bench", "--output", "json"],
            check=True, capture_output=True)
        key = json.loads(made.stdout)
        database = options.database or "sqlite:" + os.path.join(folder, "bench.db")
        config = f"""
[server]
listen = "127.0.0.1:0"
drain_delay = "0s"
secret = "{uuid.uuid4()}"
[admin]
listen = "127.0.0.1:0"
[database]
url = "{database}"
[log]
filter = "warn"
[regions.us]
api = "{url}"
registry = "{url}"
core = "{url}"
notifications = "{url}"
[customers.acme]
id = "abcd1024xyz"
region = "us"
client_id = "bench"
client_secret = "{SECRET}"
[apps.bench]
keys = ["{key['hash']}"]
grants = [{{ actions = ["power"], customers = ["acme"] }}]
"""
        path = os.path.join(folder, "cwsgate.toml")
        with open(path, "w") as file:
            file.write(config)
        said = self.start(stack, ["serve", "--config", path, "--output", "json"])
        self.gateway = Http(said["gateway"], {"Authorization": "Bearer " + key["key"]})
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": "bench", "client_secret": SECRET})
        token = self.citrix.ask("POST", "/cctrustoauth2/abcd1024xyz/tokens/clients", form,
                                {"Content-Type": "application/x-www-form-urlencoded",
                                 "Accept": "application/json"})["access_token"]
        self.citrix.headers = {
            "Authorization": "CwsAuth Bearer=" + token, "Citrix-CustomerId": "abcd1024xyz",
            "Accept": "application/json"}
        me = self.citrix.ask("GET", "/cvad/manage/me")
        self.citrix.headers["Citrix-InstanceId"] = me["Customers"][0]["Sites"][0]["Id"]
        self.machines = [m["Id"] for m in self.list_machines()]
        assert len(self.machines) == sum(catalogs.values())

    def start(self, stack, arguments):
        self.process = process = subprocess.Popen(
            [self.options.program, *arguments], stdout=subprocess.PIPE)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        return json.loads(process.stdout.readline())

    def simulate(self, settings):
        self.control.ask("PUT", "/_sim/settings", json.dumps(settings))

    def list_machines(self):
        items, token = [], None
        while True:
            query = "?limit=1000" + (f"&continuationToken={urllib.parse.quote(token)}" if token else "")
            page = self.citrix.ask("GET", "/cvad/manage/Machines" + query)
            items += page["Items"]
            token = page.get("ContinuationToken")
            if not token:
                return items

    def script(self, count, calls):
        began = time.perf_counter()
        for machine in self.machines[:count]:
            path = f"/cvad/manage/Machines/{machine}"
            for call in calls:
                if call == "read":
                    self.citrix.ask("GET", path)
                elif call == "reboot":
                    self.citrix.ask("POST", path + "/$reboot")
                elif call == "reboot-job":
                    _, headers = self.citrix.exchange("POST", path + "/$reboot?async=true")
                    job = headers["Location"].rsplit("/", 1)[-1]
                else:
                    assert self.citrix.ask("GET", f"/cvad/manage/Jobs/{job}")["Status"] == "Complete"
        return time.perf_counter() - began

    def memory(self, name):
        """VmRSS or VmHWM of the gateway, in MiB (proc_pid_status(5))."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def operation(self, options, catalog="Flock", machines=None):
        machines = machines or self.options.machines
        request = {
            "action": "reboot",
            "selector": {"in": ["customers/acme/sites/-/machine-catalogs/" + catalog]},
            "options": {"maxConcurrency": self.options.concurrency, "maxTargets": 10000, **options},
        }
        # Wait until the machines of the last round are back.
        while True:
            plan = self.post({**request, "dryRun": True})
            if len(plan["plan"]["targets"]) == machines:
                break
            time.sleep(0.2)
        began = time.perf_counter()
        operation = self.post(request)
        while operation["state"] == "running":
            operation = self.gateway.ask("GET", operation["self"] + "?wait=50s")
        seconds = time.perf_counter() - began
        assert operation["counts"]["succeeded"] == machines, operation
        self.last = operation["self"]
        return seconds

    def post(self, request):
        return self.gateway.ask("POST", "/v1/operations", json.dumps(request), {
            "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())})


class Http:
    def __init__(self, base, headers=None):
        self.headers = headers or {}
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=120)

    def ask(self, method, path, body=None, headers=None):
        text, _ = self.exchange(method, path, body, headers)
        return json.loads(text) if text else None

    def exchange(self, method, path, body=None, headers=None):
        if method == "POST" and body is None:
            body = ""
        self.connection.request(method, path, body, {**self.headers, **(headers or {})})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return text, answer.headers


if __name__ == "__main__":
    main()
