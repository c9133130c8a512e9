FROM node:24.21.0-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Scripts stay off: the only one that matters fetches a Node.js, and the image is one.
RUN npm ci --ignore-scripts
COPY . .
RUN node scripts/run.mjs build && node scripts/image/files.ts /image

# The build of Node.js for glibc, which the compiled add-on of the store is for, too. No package manager is used here.
FROM node:24.21.0-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /image ./
COPY scripts/image/entry.sh /usr/local/bin/capsule-entry
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/capsule \
  && chmod 755 dist/src/cli/main.js /usr/local/bin/capsule-entry \
  && install -d -o node -g node -m 700 /data
USER node
# The API listens on all addresses of the container; the names are those of published ports.
ENV CAPSULE_DATA=/data CAPSULE_API_HOST=0.0.0.0 CAPSULE_API_HOSTS=localhost,127.0.0.1
VOLUME /data
EXPOSE 4470 4471 4480
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4480/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["capsule-entry"]
CMD ["start"]
