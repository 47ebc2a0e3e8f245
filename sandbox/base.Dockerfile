# The image that agents get where nothing else is set: a shell, git, what builds and searches, Python, node, Claude Code.
FROM debian:bookworm-slim AS node
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates nodejs npm
RUN npm install -g --prefix /out --no-fund --no-audit node@22 npm@10 @anthropic-ai/claude-code

FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates curl file git jq less make openssh-client patch procps python3 python3-venv ripgrep unzip xz-utils \
 && rm -rf /var/lib/apt/lists/*
COPY --from=node /out/ /usr/local/
# The sandbox's root is read-only.
ENV DISABLE_AUTOUPDATER=1 LANG=C.UTF-8
