#!/usr/bin/env python3
"""Restarts every machine of a catalog that nobody uses, as Citrix's tutorial does.

CLIENT_ID and CLIENT_SECRET name the API client. CITRIX_HOST, such as https://gateway.example,
replaces the host of Citrix Cloud.
"""

import argparse
import os
import uuid

import requests

API = os.environ.get("CITRIX_HOST", "https://api-us.cloud.com").rstrip("/")

parser = argparse.ArgumentParser()
parser.add_argument("-u", "--customerId", required=True)
parser.add_argument("-s", "--siteId", type=uuid.UUID, required=True)
parser.add_argument("-a", "--catalogId", type=uuid.UUID, required=True)
args = parser.parse_args()

response = requests.post(f"{API}/cctrustoauth2/root/tokens/clients", data={
    "grant_type": "client_credentials",
    "client_id": os.environ["CLIENT_ID"],
    "client_secret": os.environ["CLIENT_SECRET"],
})
response.raise_for_status()
token = response.json()

session = requests.Session()
session.headers.update({
    "Authorization": f"CwsAuth Bearer={token['access_token']}",
    "Citrix-CustomerId": args.customerId,
    "Accept": "application/json",
})

site = f"{API}/cvadapis/{args.siteId}"
response = session.get(f"{site}/MachineCatalogs/{args.catalogId}/Machines")
response.raise_for_status()

for machine in response.json()["Items"]:
    if machine["SessionCount"] != 0:
        print(f"{machine['SessionCount']} sessions on {machine['Name']} - skipping")
        continue
    print(f"Requesting reboot for {machine['Name']}... ", end="", flush=True)
    try:
        response = session.post(f"{site}/Machines/{machine['Id']}/$reboot")
        response.raise_for_status()
    except requests.exceptions.HTTPError:
        print(f"failure: {response.json()['ErrorMessage']}")
    except Exception as error:
        print(f"failure: {error!r}")
    else:
        print("success")
