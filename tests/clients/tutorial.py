#!/usr/bin/env python3
"""The steps of Citrix's tutorial, one at a time: tutorial.py STEP.

CUSTOMER_ID, CLIENT_ID and CLIENT_SECRET name the customer and its API client. CITRIX_HOST, such as
https://gateway.example, replaces every host of Citrix Cloud.
"""

import os
import sys
import uuid
from datetime import datetime, timezone
from pprint import pprint

import requests


def host(default):
    return os.environ.get("CITRIX_HOST", f"https://{default}").rstrip("/")


API = host("api-us.cloud.com")
REGISTRY = host("registry.citrixworkspacesapi.net")
CORE = host("core.citrixworkspacesapi.net")
NOTIFICATIONS = host("notifications.citrixworkspacesapi.net")

customer_id = os.environ["CUSTOMER_ID"]


def sign_in():
    response = requests.post(f"{API}/cctrustoauth2/root/tokens/clients", data={
        "grant_type": "client_credentials",
        "client_id": os.environ["CLIENT_ID"],
        "client_secret": os.environ["CLIENT_SECRET"],
    })
    response.raise_for_status()
    token = response.json()
    session = requests.Session()
    session.headers.update({"Authorization": f"CwsAuth Bearer={token['access_token']}"})
    return session


def locations(session):
    pprint(session.get(f"{REGISTRY}/{customer_id}/resourcelocations").json())


def service_states(session):
    pprint(session.get(f"{CORE}/{customer_id}/serviceStates").json())


def trial_services(session):
    states = session.get(f"{CORE}/{customer_id}/serviceStates").json()
    names = [s["serviceName"] for s in states["items"] if s["state"] == "ProductionTrial"]
    print(*names, sep="\n")


def notification(session):
    response = session.post(f"{NOTIFICATIONS}/{customer_id}/notifications/items", json={
        "destinationAdmin": "*",
        "component": "Citrix Cloud",
        "createdDate": datetime.now(timezone.utc).astimezone().isoformat(),
        "eventId": str(uuid.uuid4()),
        "severity": "Information",
        "priority": "Normal",
        "content": [{
            "languageTag": "en-US",
            "title": "Dinner Time",
            "description": "Fish and Chips!",
        }],
    })
    pprint(response.json())


def me(session):
    session.headers.update({"Citrix-CustomerId": customer_id, "Accept": "application/json"})
    pprint(session.get(f"{API}/cvadapis/me").json())


STEPS = {
    "locations": locations,
    "service-states": service_states,
    "trial-services": trial_services,
    "notification": notification,
    "me": me,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in STEPS:
        sys.exit(f"usage: tutorial.py {'|'.join(STEPS)}")
    STEPS[sys.argv[1]](sign_in())
