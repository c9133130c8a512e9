import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { Access } from './access.ts';
import type { ApiComponents, ApiInit } from './components.ts';
import type { Followers } from './followers.ts';
import type { Policy } from './policies.ts';
import type { Quotas } from './quotas.ts';
import type { Submissions } from './submissions.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers without a token. */
    open?: boolean;
    /** What a browser may do with the answer; `nothing` where it is left out. */
    policy?: Policy;
  }
}

export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What the routes share. */
export interface RouteContext {
  components: ApiComponents;
  init: ApiInit;
  access: Access;
  followers: Followers;
  quotas: Quotas;
  submissions: Submissions;
  /** Tells this life of the node from others in event ids. */
  instance: string;
}
