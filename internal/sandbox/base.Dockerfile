# The image that agents get where nothing else is set: git, the tools that one searches and fetches with, Python, node,
# Claude Code. Debian's node is too old, its npm brings 384 packages: so they only fetch what is used.
FROM debian:bookworm-slim AS node
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates nodejs npm
# node and Claude Code link their program to the package's own place, and keep the package that it came in.
RUN npm install -g --prefix /out --no-fund --no-audit node@22 npm@10 @anthropic-ai/claude-code \
 && rm -rf /out/lib/node_modules/node/node_modules /out/lib/node_modules/@anthropic-ai/claude-code/node_modules \
 && PATH=/out/bin:$PATH && node --version && npm --version && claude --version

FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates curl file git jq less make openssh-client patch procps python3 python3-venv ripgrep unzip xz-utils \
 && rm -rf /var/lib/apt/lists/*
COPY --from=node /out/ /usr/local/
# The sandbox's root is read-only.
ENV DISABLE_AUTOUPDATER=1 LANG=C.UTF-8
