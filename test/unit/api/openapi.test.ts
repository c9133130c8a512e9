import { Compile } from 'typebox/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Access } from '../../../src/api/access.ts';
import { CONTRACT } from '../../../src/api/contract/index.ts';
import type { Server } from '../../../src/api/route-context.ts';
import { buildServer } from '../../../src/api/server.ts';
import { IDENTITY, memoryNode, NODE_ID } from '../../support/api-components.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Operation {
  operationId: string;
  summary: string;
  parameters?: { name: string; in: string }[];
  security?: Json[];
  requestBody?: Json;
  responses: Record<
    string,
    { description: string; content?: Record<string, { schema: { [key: string]: Json } }> }
  >;
}
interface Description {
  openapi: string;
  components: { schemas: Record<string, Json>; securitySchemes: Json };
  paths: Record<string, Record<string, Operation>>;
}

let app: Server;
let node: ReturnType<typeof memoryNode>;
let description: Description;
beforeEach(async () => {
  node = memoryNode(new VirtualClock());
  const init = { ...node.init, hosts: ['localhost'], token: null };
  app = await buildServer(node.components, init, new Access(node.components, init));
  await app.ready();
  description = (await app.inject('/openapi.json')).json();
});
afterEach(() => app.close());

function operations(): { path: string; method: string; operation: Operation }[] {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

function* references(value: Json): Generator<string> {
  if (Array.isArray(value)) for (const each of value) yield* references(each);
  else if (value !== null && typeof value === 'object') {
    for (const [key, each] of Object.entries(value)) {
      if (key === '$ref' && typeof each === 'string') yield each;
      else yield* references(each);
    }
  }
}

describe('the description', () => {
  it('is OpenAPI 3.1 whose references all lead somewhere', async () => {
    expect(description.openapi).toBe('3.1.0');
    const found = new Set(references((await app.inject('/openapi.json')).json()));
    expect(found.size).toBeGreaterThan(5);
    for (const reference of found) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1];
      expect(description.components.schemas, reference).toHaveProperty(name ?? 'no such place');
    }
  });

  it('has every route, and no other', () => {
    const printed = app.printRoutes({ commonPrefix: false, includeHooks: false });
    // The console's files are no part of the interface.
    const served = [...printed.matchAll(/(\S+) \(([A-Z, ]+)\)/g)].filter(
      ([, path]) => !/\.(js|css)$/.test(path ?? ''),
    );
    expect(served.length).toBeGreaterThan(20);
    const count = served.reduce(
      (sum, [, , methods]) => sum + (methods ?? '').split(', ').filter((each) => each !== 'HEAD').length,
      0,
    );
    expect(operations()).toHaveLength(count);
  });

  it('says what the contract says, from which the client has its types', () => {
    const served = operations().map(({ method, path, operation }) => [
      `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      operation.operationId,
    ]);
    const agreed = Object.entries(CONTRACT).map(([route, { operationId }]) => [route, operationId]);
    expect(served.sort()).toEqual(agreed.sort());
  });

  it('says of every operation what it answers, and how it refuses', () => {
    for (const { path, method, operation } of operations()) {
      const name = `${method} ${path}`;
      expect(operation.summary, name).toMatch(/\.$/);
      const { default: refusal, ...answers } = operation.responses;
      expect(refusal?.content?.['application/json']?.schema, name).toMatchObject({
        $ref: '#/components/schemas/Error',
      });
      expect(Object.keys(answers).length, name).toBeGreaterThan(0);
      for (const [status, { description: text, content }] of Object.entries(answers)) {
        expect(text, name).not.toBe('Default Response');
        const [schema] = Object.values(content ?? {}).map((each) => each.schema);
        expect(Object.keys(schema ?? {}).length, `${name} ${status}`).toBeGreaterThan(0);
      }
      for (const [, parameter] of path.matchAll(/\{(\w+)\}/g)) {
        expect(operation.parameters, name).toContainEqual(
          expect.objectContaining({ name: parameter, in: 'path' }),
        );
      }
      if (method === 'get') expect(operation.requestBody, name).toBeUndefined();
    }
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('leaves open only health, readiness, the page and its exchange of a code', () => {
    const open = operations().filter(({ operation }) => operation.security?.length === 0);
    expect(open.map(({ path }) => path).sort()).toEqual(['/', '/api/sessions', '/healthz', '/readyz']);
  });
});

describe('what is answered matches it:', () => {
  /** Against the schema of the description itself, references resolved as a reader would. */
  function check(path: string, method: string, status: number, body: unknown): void {
    const schema =
      description.paths[path]?.[method]?.responses[status]?.content?.['application/json']?.schema;
    if (schema === undefined) throw new Error(`no schema for ${method} ${path} ${status}`);
    const validator = Compile({ ...schema, components: JSON.parse(JSON.stringify(description.components)) });
    const [valid, errors] = validator.Errors(body);
    expect(errors).toEqual([]);
    expect(valid).toBe(true);
    expect(validator.Check({ nonsense: true }) && path !== '/openapi.json').toBe(false);
  }

  it.each([
    ['/healthz', '/healthz'],
    ['/readyz', '/readyz'],
    ['/api/node', '/api/node'],
    ['/api/peers', '/api/peers'],
    ['/api/market', '/api/market'],
    ['/api/capabilities', '/api/capabilities'],
    ['/api/permissions', '/api/permissions'],
    ['/api/credits', '/api/credits'],
    ['/api/credits/history', '/api/credits/history'],
    ['/api/credits/verify', '/api/credits/verify'],
    ['/api/credits/reconcile/{node}', `/api/credits/reconcile/${NODE_ID}`],
    ['/api/receipts', '/api/receipts'],
    ['/api/receipts/verify', '/api/receipts/verify'],
    ['/api/capsules', '/api/capsules'],
    ['/api/capsules/{id}', '/api/capsules/ID'],
    ['/api/capsules/{id}/decisions', '/api/capsules/ID/decisions'],
    ['/api/workflows', '/api/workflows'],
    ['/api/workflows/{id}', '/api/workflows/ID'],
    ['/openapi.json', '/openapi.json'],
  ])('GET %s', async (path, url) => {
    const { id } = (await app.inject({ method: 'POST', url: '/api/capsules', payload: node.draft() })).json();
    const response = await app.inject(url.replace('ID', id));
    expect(response.statusCode).toBe(200);
    check(path, 'get', 200, response.json());
  });

  it('POST', async () => {
    const submitted = await app.inject({ method: 'POST', url: '/api/capsules', payload: node.draft() });
    check('/api/capsules', 'post', 202, submitted.json());
    const payload = { account: IDENTITY, amount: 1 };
    const granted = await app.inject({ method: 'POST', url: '/api/credits/grants', payload });
    check('/api/credits/grants', 'post', 201, granted.json());
    const trusted = await app.inject({ method: 'POST', url: '/api/capabilities/notify/trust' });
    check('/api/capabilities/{name}/trust', 'post', 200, trusted.json());
    node.end(submitted.json().id, 'done');
    const sealed = await app.inject(`/api/workflows/${submitted.json().id}/archive`);
    for (const archive of [sealed.rawPayload, Buffer.from('no archive')]) {
      const verified = await app.inject({
        method: 'POST',
        url: '/api/archives/verify',
        headers: { 'content-type': 'application/zip' },
        payload: archive,
      });
      check('/api/archives/verify', 'post', 200, verified.json());
    }
  });

  it('refusals', async () => {
    const validator = Compile({
      $ref: '#/components/schemas/Error',
      components: JSON.parse(JSON.stringify(description.components)),
    });
    for (const url of ['/nope', '/api/capsules/x', `/api/capsules/${'ab'.repeat(32)}`]) {
      expect(validator.Check((await app.inject(url)).json())).toBe(true);
    }
    expect(validator.Check({ code: 'nope', message: 'x' })).toBe(false);
  });
});
