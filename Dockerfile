# The plugin, cross-built with Go itself, and a small image with nothing but the binary.
# docker-bake.hcl has the targets: docker buildx bake cross, docker buildx bake image.
ARG GO_IMAGE=golang:1.26

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
# Compose's own version goes on every container as a label.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go=go; exe=; \
    case $TARGETOS in darwin) go=scripts/go-darwin ;; windows) exe=.exe ;; esac; \
    compose=$(go list -m -f '{{.Version}}' github.com/docker/compose/v2) && \
    GOOS=$TARGETOS GOARCH=$TARGETARCH $go build -trimpath \
      -ldflags "-s -w -X github.com/docker-loom/docker-loom/cmd/docker-loom/metadata.Version=$VERSION -X github.com/docker/compose/v2/internal.Version=$compose" \
      -o "/out/docker-loom-$TARGETOS-$TARGETARCH$exe" ./cmd/docker-loom && \
    mkdir /image && cp "/out/docker-loom-$TARGETOS-$TARGETARCH$exe" /image/docker-loom

FROM scratch AS binary
COPY --from=build /out/ /

# Also the source for a COPY --from into images that have a docker client.
FROM scratch AS image
COPY --from=build /image/docker-loom /docker-loom
ENTRYPOINT ["/docker-loom"]
