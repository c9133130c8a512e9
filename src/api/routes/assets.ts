import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Asset, isKnown, variantFor } from '../assets.ts';
import { sessionContract } from '../contract/sessions.ts';
import type { Server } from '../route-context.ts';

const INDEX = 'index.html';

/** The console's files, one route each; `/` is its page. They are the same for everybody, and need no token. */
export function assetRoutes(app: Server, assets: readonly Asset[]): void {
  for (const asset of assets) {
    const isPage = asset.path === INDEX;
    app.get(
      isPage ? '/' : `/${asset.path}`,
      {
        config: { open: true, policy: 'console' },
        exposeHeadRoute: true,
        schema: isPage ? sessionContract['GET /'] : { hide: true },
      },
      async (request, reply) => send(asset, request, reply),
    );
  }
}

function send(asset: Asset, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const variant = variantFor(asset, headers['accept-encoding']);
  if (variant === undefined) throw new Error(`${asset.path} has no variant.`);
  const { encoding, bytes, etag } = variant;
  reply.headers({
    'cache-control': asset.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag,
    ...(asset.variants.length > 1 && { vary: 'accept-encoding' }),
  });
  if (isKnown(variant, headers['if-none-match'])) return reply.code(304).send();
  if (encoding !== 'identity') reply.header('content-encoding', encoding);
  return reply.type(asset.type).send(bytes);
}
