#!/usr/bin/env bash
# Restarts every machine of a catalog that nobody uses, as Citrix's tutorial does.
#
# CLIENT_ID and CLIENT_SECRET name the API client. CITRIX_HOST, such as https://gateway.example,
# replaces the host of Citrix Cloud.

while getopts u:s:a: option; do
    case "$option" in
    u) customer_id=$OPTARG ;;
    s) site_id=$OPTARG ;;
    a) catalog_id=$OPTARG ;;
    *) exit 2 ;;
    esac
done
if [ -z "$customer_id" ] || [ -z "$site_id" ] || [ -z "$catalog_id" ]; then
    echo "usage: reboot_idle.sh -u customerId -s siteId -a catalogId"
    exit 2
fi

api="${CITRIX_HOST:-https://api-us.cloud.com}"

response=$(curl -s "$api/cctrustoauth2/root/tokens/clients" \
    -d "grant_type=client_credentials&client_id=${CLIENT_ID}&client_secret=${CLIENT_SECRET}")
if ! access_token=$(echo "$response" | jq -re .access_token); then
    echo "Authorization failed: $response"
    exit 1
fi

authorization="Authorization: CwsAuth Bearer=${access_token}"
customer="Citrix-CustomerId: ${customer_id}"
accept="Accept: application/json"

response=$(curl -s "$api/cvadapis/$site_id/MachineCatalogs/$catalog_id/Machines" \
    -H "$authorization" -H "$customer" -H "$accept")
if ! machines=$(echo "$response" | jq -c '.Items[]' 2>/dev/null); then
    echo "Failed to get machine catalog: $(echo "$response" | jq -c .)"
    exit 1
fi

while IFS= read -r machine; do
    sessions=$(jq -r .SessionCount <<<"$machine")
    name=$(jq -r .Name <<<"$machine")
    id=$(jq -r .Id <<<"$machine")
    if [ "$sessions" != "0" ]; then
        echo "${sessions} sessions on ${name} - skipping"
        continue
    fi
    echo -n "Requesting reboot for ${name}... "
    response=$(curl -s "$api/cvadapis/$site_id/Machines/$id/\$reboot" -X POST \
        -H "$authorization" -H "$customer" -H "$accept" -H "Content-Length: 0")
    if echo "$response" | jq -e .Id >/dev/null 2>&1; then
        echo "success"
    else
        echo "failure: $(echo "$response" | jq -cr .ErrorMessage)"
    fi
done <<<"$machines"
