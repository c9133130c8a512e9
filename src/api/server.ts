import { fileURLToPath } from 'node:url';
import swagger from '@fastify/swagger';
import fastify from 'fastify';
import type { Access } from './access.ts';
import { readAssets } from './assets.ts';
import type { ApiComponents, ApiInit } from './components.ts';
import { Connections } from './connections.ts';
import { errorHandler, notFoundHandler, refuseConnection } from './errors.ts';
import { Followers } from './followers.ts';
import { namedSchemas, openApi } from './openapi.ts';
import { POLICIES } from './policies.ts';
import { checkScope } from './principal.ts';
import { Quotas } from './quotas.ts';
import type { RouteContext, Server } from './route-context.ts';
import { archiveRoutes } from './routes/archives.ts';
import { assetRoutes } from './routes/assets.ts';
import { capabilityRoutes } from './routes/capabilities.ts';
import { capsuleRoutes } from './routes/capsules.ts';
import { creditRoutes } from './routes/credits.ts';
import { eventRoutes } from './routes/events.ts';
import { nodeRoutes } from './routes/node.ts';
import { receiptRoutes } from './routes/receipts.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { workflowRoutes } from './routes/workflows.ts';
import { checkSameOrigin } from './same-origin.ts';
import { Submissions } from './submissions.ts';
import { compileValidator, parseBody } from './validation.ts';

/** A capsule of 1 MiB in canonical form may be written with white space and escapes. */
const BODY_BYTES = 2 * 1024 * 1024;
/** How long a client may take to send what comes before the body: one packet, so slower is broken or hostile. */
const HEADERS_TIMEOUT_MS = 5_000;
/** How long it may take to send all of a request: an archive of 64 MiB, at 2 Mbit/s. Only a token gets as far as a body. */
const REQUEST_TIMEOUT_MS = 300_000;
/** How often both are looked at. */
const CHECK_INTERVAL_MS = 1_000;
/** A client whose machine is gone says nothing; the system finds out by asking, after so long a silence. */
const KEEP_ALIVE_PROBE_MS = 15_000;
/** Longest path parameter: a permission names a host. */
const PARAMETER_CHARS = 300;

/** The console's files; the built program has them at the same place. */
const CONSOLE = fileURLToPath(new URL('../api/console/', import.meta.url));

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/**
 * The HTTP side, not listening yet. Every request passes, in this order: host and origin, token, scope, rate, schema, route.
 */
export async function buildServer(components: ApiComponents, init: ApiInit, access: Access): Promise<Server> {
  const { log, clock } = components;
  const app: Server = fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => errorHandler(log)(error, request, reply),
    // While stopping, requests that came in are answered as usual; their connections close afterwards.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAMETER_CHARS },
  });
  const connections = new Connections();
  connections.watch(app.server);
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler(errorHandler(log));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => (body.length === 0 ? undefined : parseBody(body, BODY_BYTES)),
  );

  const quotas = new Quotas(components, init.quotas);
  app.decorateRequest('principal', null);
  app.addHook('onRequest', async (request, reply) => {
    const { config } = request.routeOptions;
    reply.headers(SECURITY_HEADERS).header('content-security-policy', POLICIES[config.policy ?? 'nothing']);
    checkSameOrigin(request, init.hosts);
    if (config.open === true) return;
    const principal = access.check(request);
    request.principal = principal;
    connections.admit(request.raw.socket);
    // A caller with any token may know that there is no such route.
    if (!request.is404) checkScope(principal, config);
    quotas.request(principal);
  });
  app.addHook('onResponse', async ({ method, routeOptions, principal }, { statusCode, elapsedTime }) => {
    const ms = Math.round(elapsedTime);
    const context = { principal: principal?.name, method, route: routeOptions.url, status: statusCode, ms };
    log.debug(context, 'Answered');
  });
  app.setNotFoundHandler(notFoundHandler);

  for (const [name, schema] of Object.entries(namedSchemas())) app.addSchema({ ...schema, $id: name });
  await app.register(swagger, openApi(init.version));
  const followers = new Followers(init.quotas.streams);
  app.addHook('preClose', async () => followers.releaseAll());
  const instance = Math.floor(clock.now()).toString(36);
  const submissions = new Submissions(components, quotas);
  await submissions.restore();
  const context: RouteContext = { components, init, access, followers, quotas, submissions, instance };
  const assets = await readAssets(init.assets ?? CONSOLE);
  // Registered after the description's own plugin, which learns of routes as they come.
  await app.register(async (routes: Server) => {
    for (const add of ROUTES) add(routes, context);
    assetRoutes(routes, assets);
  });
  return app;
}

const ROUTES = [
  nodeRoutes,
  capsuleRoutes,
  eventRoutes,
  workflowRoutes,
  archiveRoutes,
  capabilityRoutes,
  creditRoutes,
  receiptRoutes,
  tokenRoutes,
  sessionRoutes,
] as const;
