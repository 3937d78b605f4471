#!/usr/bin/env python3
"""Reboots N machines with a fixed upstream latency: our operation against a script.

    cargo build --profile dist && bench/reboot.py target/dist/cwsgate

Everything runs on this machine, in one run, so that the ratios mean something anywhere:

  script      one POST $reboot after another over one connection, as such scripts do
  same calls  the calls that the gateway makes (read, reboot, job), one after another
  operation   POST /v1/operations with maxConcurrency 32, until it has ended

and what the durable store costs for each item, with an upstream that answers at once.
Standard library only. Exit code 1 when a bound is missed.
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
import urllib.parse
import uuid

BOUNDS = {"operation / same calls": 0.10, "operation without recheck / script": 0.15}
SECRET = "bench+bench/secret=="


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", help="the cwsgate to measure; build it with --profile dist")
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--latency-ms", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--database", help="database.url; a SQLite file by default")
    options = parser.parse_args()
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
        missed |= ratio > bound
        print(f"  {name:36} {ratio:6.3f}  (bound {bound}) {'MISSED' if ratio > bound else 'ok'}")
    raise SystemExit(1 if missed else 0)


class Bench:
    def __init__(self, options, stack):
        self.options = options
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        scenario = {
            "regions": [{"name": "us"}],
            "customers": [{
                "name": "acme", "id": "abcd1024xyz", "region": "us", "clientId": "bench",
                "clientSecret": SECRET,
                "catalogs": [{"name": "Flock", "generate": {"count": options.machines}}],
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
        assert len(self.machines) == options.machines

    def start(self, stack, arguments):
        process = subprocess.Popen([self.options.program, *arguments], stdout=subprocess.PIPE)
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

    def operation(self, options):
        catalog = "customers/acme/sites/-/machine-catalogs/Flock"
        request = {
            "action": "reboot",
            "selector": {"in": [catalog]},
            "options": {"maxConcurrency": self.options.concurrency, "maxTargets": 10000, **options},
        }
        # Wait until the machines of the last round are back.
        while True:
            plan = self.post({**request, "dryRun": True})
            if len(plan["plan"]["targets"]) == self.options.machines:
                break
            time.sleep(0.2)
        began = time.perf_counter()
        operation = self.post(request)
        while operation["state"] == "running":
            operation = self.gateway.ask("GET", operation["self"] + "?wait=50s")
        seconds = time.perf_counter() - began
        assert operation["counts"]["succeeded"] == self.options.machines, operation
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
