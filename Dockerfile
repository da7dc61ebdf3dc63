# The image of Holdfast: one command, server and operator alike. Nothing but Node, the libraries it links to, the compiled
# sources and the packages they import is in the last stage: no shell, no package manager.
FROM node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
# No install script is needed: every native package ships its binary.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY bin ./bin
COPY src ./src
COPY tsconfig.json tsconfig.build.json LICENSE ./
RUN npm run build \
  && mkdir -p /image/app/bin /image/usr/local/bin /image/usr/share/holdfast /image/data /image/tmp \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund
COPY tools/image ./tools/image
# Node with the libraries that it and the native packages link to, each under its own path.
RUN node tools/image/sbom.mjs . >/image/usr/share/holdfast/sbom.cdx.json \
  && node tools/image/prune.mjs node_modules \
  && cp -a bin/holdfast /image/app/bin/ && cp -a dist node_modules package.json LICENSE /image/app/ \
  && cp "$(command -v node)" /image/usr/local/bin/node \
  && { ldd /image/usr/local/bin/node; find node_modules -name '*.node' -exec ldd {} ';'; } \
    | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' \
    | grep -v node_modules | sort -u | xargs cp -L --parents -t /image \
  && mkdir -p /image/etc && printf 'holdfast:x:65532:65532::/data:/nonexistent\n' >/image/etc/passwd \
  && printf 'holdfast:x:65532:\n' >/image/etc/group && chown 65532:65532 /image/data && chmod 1777 /image/tmp

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Holdfast" \
  org.opencontainers.image.description="S3 Object Lock server and Kubernetes operator" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
ENV NODE_ENV=production PATH=/usr/local/bin HOME=/tmp HOLDFAST_DATA=/data
WORKDIR /app
USER 65532:65532
EXPOSE 9000 9001 9002 9443
ENTRYPOINT ["node", "/app/bin/holdfast"]
CMD ["--help"]
