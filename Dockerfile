# syntax=docker/dockerfile:1

# The gateway in an image that holds the program, CA certificates and nothing else to run:
#
#   docker build -t cwsgate .
#   docker run -p 8443:8443 -v ./config:/etc/cwsgate:ro \
#       -v cwsgate:/var/lib/cwsgate -e CWSGATE_DATABASE__URL=sqlite:/var/lib/cwsgate/cwsgate.db cwsgate

# --- build -------------------------------------------------------------------------------------
# The same toolchain as rust-toolchain.toml, which is not copied: it would make rustup fetch
# rustfmt and clippy. Debian 12 because the image below is: the C library must not be older there.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src

# Dependencies first, with a program that does nothing: this layer is built again only when the
# manifest or the lock file changes, not with every line of ours.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs benches/power_off_reply.rs \
    && cargo build --locked --profile dist

# What else may come in is listed in .dockerignore.
COPY . .
# Copied files keep their times and may be older than the empty program that cargo just built.
RUN touch src/main.rs src/lib.rs \
    && cargo build --locked --profile dist \
    && mkdir /data

# --- run ---------------------------------------------------------------------------------------
# glibc, libgcc and CA certificates; no shell, no package manager. TLS trust comes from the
# system's certificates, so an image from scratch would reach nobody.
FROM gcr.io/distroless/cc-debian12:nonroot

LABEL org.opencontainers.image.title="cwsgate" \
      org.opencontainers.image.description="One JSON REST API in front of Citrix Cloud and Citrix DaaS" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"

COPY --from=build /src/target/dist/cwsgate /cwsgate

# A place to write to, for who keeps the database here; all else may be read-only. Not set as
# the default: variables stand above the file, and this one would hide a PostgreSQL named there.
COPY --from=build --chown=nonroot:nonroot /data /var/lib/cwsgate
VOLUME ["/var/lib/cwsgate"]

# Configuration is mounted, secrets are mounted or come from the environment at run time: an
# image layer keeps forever what was once in it.
WORKDIR /etc/cwsgate

# By number, so that a platform that insists on a user other than root can tell.
USER 65532:65532

# The public listener: the built-in default is loopback, where nobody outside of the container
# would reach it. The admin listener does stay on the container's own loopback.
ENV CWSGATE_SERVER__LISTEN=0.0.0.0:8443
EXPOSE 8443

# No shell and no curl here: the program asks its own readiness probe.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/cwsgate", "healthcheck"]

# SIGTERM drains: give the container more time to stop than drain_delay and drain_timeout take
# together (3 s and 20 s unless configured).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/cwsgate"]
CMD ["serve", "--config", "/etc/cwsgate/cwsgate.toml"]
