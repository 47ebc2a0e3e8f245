ARG BASE_IMAGE=scratch
FROM ${BASE_IMAGE}
USER root

# ./go lang,x
ENV VOLTA_HOME="/opt/volta"
ENV PATH="${VOLTA_HOME}/bin:${PATH}"
RUN --mount=type=bind,source=00-go_lang_x,target=/dev/docker-loom-feature ["/bin/sh","/dev/docker-loom-feature/docker-loom-install.sh","./go lang,x","dev","dev"]

# r.io/f/node:1
RUN --mount=type=bind,source=01-node,target=/dev/docker-loom-feature ["/bin/sh","/dev/docker-loom-feature/docker-loom-install.sh","r.io/f/node:1","dev","dev"]

USER dev
LABEL devcontainer.metadata="[{\"id\":\"./go\",\"mounts\":[\"source=\$x,target=/y\"]}]"
ENV DOLLAR="\$HOME \\ \"q\""
ENV PLAIN="x"
