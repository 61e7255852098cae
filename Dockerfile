# All of Quartet in one process, over its own DynamoDB or another (`--dynamodb-url`).
#
#   docker build -t quartet .
#   docker run --read-only --cap-drop ALL -p 3000:3000 -e ADMIN_TOKEN -v quartet:/data quartet
#   docker run --read-only --cap-drop ALL -p 3000:3000 -e ADMIN_TOKEN -e CURSOR_SECRET -e AUDIT_SECRET \
#     --network host quartet --host 0.0.0.0 --data-dir /data --dynamodb-url http://127.0.0.1:8000
#
# Debian 12 has the C library that distroless/cc-debian12 has. `scratch` would need the roots of TLS
# from elsewhere: without any, it does not start.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p local && install -d -o 65532 -g 65532 /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/local /local
# Where a volume that is new gets its owner from.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/local", "health"]
ENTRYPOINT ["/local"]
CMD ["--host", "0.0.0.0", "--data-dir", "/data"]
