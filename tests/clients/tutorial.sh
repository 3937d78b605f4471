#!/usr/bin/env bash
# The steps of Citrix's tutorial, one at a time: tutorial.sh STEP.
#
# CUSTOMER_ID, CLIENT_ID and CLIENT_SECRET name the customer and its API client. CITRIX_HOST, such as
# https://gateway.example, replaces every host of Citrix Cloud.
set -euo pipefail

api="${CITRIX_HOST:-https://api-us.cloud.com}"
registry="${CITRIX_HOST:-https://registry.citrixworkspacesapi.net}"
core="${CITRIX_HOST:-https://core.citrixworkspacesapi.net}"
notifications="${CITRIX_HOST:-https://notifications.citrixworkspacesapi.net}"

access_token=$(curl -s "$api/cctrustoauth2/root/tokens/clients" \
    -d "grant_type=client_credentials&client_id=${CLIENT_ID}&client_secret=${CLIENT_SECRET}" |
    jq -re .access_token)
authorization="Authorization: CwsAuth Bearer=${access_token}"

case "${1:-}" in
locations)
    response=$(curl -s "$registry/$CUSTOMER_ID/resourcelocations" -H "$authorization")
    echo "$response" | jq .
    ;;
service-states)
    response=$(curl -s "$core/$CUSTOMER_ID/serviceStates" -H "$authorization")
    echo "$response" | jq .
    ;;
trial-services)
    response=$(curl -s "$core/$CUSTOMER_ID/serviceStates" -H "$authorization")
    echo "$response" | jq -r '.items[] | select(.state == "ProductionTrial") | .serviceName'
    ;;
notification)
    created_date=$(date -u +"%Y-%m-%dT%H:%M:%SZ")
    event_id=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
    notification='{
        "destinationAdmin": "*",
        "component": "Citrix Cloud",
        "createdDate": "'$created_date'",
        "eventId": "'$event_id'",
        "severity": "Information",
        "priority": "Normal",
        "content": [{
            "languageTag": "en-US",
            "title": "Dinner Time",
            "description": "Fish and Chips!"
        }]
    }'
    response=$(curl -s "$notifications/$CUSTOMER_ID/notifications/items" \
        -H "$authorization" -H "Content-Type: application/json" -d "$notification")
    echo "$response" | jq .
    ;;
me)
    response=$(curl -s "$api/cvadapis/me" -H "$authorization" \
        -H "Citrix-CustomerId: $CUSTOMER_ID" -H "Accept: application/json")
    echo "$response" | jq .
    ;;
*)
    echo "usage: tutorial.sh locations|service-states|trial-services|notification|me" >&2
    exit 2
    ;;
esac
