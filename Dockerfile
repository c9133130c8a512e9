# syntax=docker/dockerfile:1
FROM node:24.21.0-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Scripts stay off: the only one that matters fetches a Node.js, and the image is one.
RUN npm ci --ignore-scripts
COPY . .
RUN node scripts/run.mjs build

FROM node:24.21.0-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24.21.0-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/capsule \
  && chmod +x dist/src/cli/main.js \
  && install -d -o node -g node -m 700 /data
USER node
# `capsule` inside the container finds the node's token; the other names are those of published ports.
ENV CAPSULE_DATA=/data CAPSULE_API_HOSTS=localhost,127.0.0.1
VOLUME /data
EXPOSE 4470 4471 4480
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4480/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/cli/main.js", "start", "--data", "/data", "--api", "0.0.0.0:4480"]
