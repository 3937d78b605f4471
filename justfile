# `just` lists these; `just check` is what CI runs.

export INSTA_UPDATE := env("INSTA_UPDATE", "no")

_default:
    @just --list --unsorted

# Format the source
fmt:
    cargo fmt

# Lint source and Dockerfile
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    hadolint Dockerfile

# Run all tests; `just test a_silent_region` runs those with that in their name
test *filter:
    if command -v cargo-nextest >/dev/null; then cargo nextest run --locked {{ filter }}; else cargo test --locked {{ filter }}; fi

# Build the documentation of all rooms
doc:
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --lib --document-private-items

# Check licences, bans and sources of the dependencies
deny:
    cargo deny --locked check licenses bans sources

# Write the OpenAPI document anew; the tests fail when it is stale
openapi:
    cargo build --locked
    cargo run --locked --quiet -- openapi --format json > openapi/openapi.json
    cargo run --locked --quiet -- openapi --format yaml > openapi/openapi.yaml

# Do all that CI does
check:
    .ci/run

# Start a gateway with a simulated Citrix on loopback
run *args:
    cargo run --locked -- demo {{ args }}

# Start the simulated Citrix alone
simulate *args:
    cargo run --locked -- simulate {{ args }}
