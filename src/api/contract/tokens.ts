import { Type } from 'typebox';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { CapabilityName, closed, TimestampMs } from '../../../protocols/common/v1/schema.ts';
import { SCOPES } from '../principal.ts';
import { described, page, refusals, slicing } from '../schemas/shared.ts';
import { Token } from '../schemas/tokens.ts';

/** Capabilities that one token may name. */
const MAX_CAPABILITIES = 64;
const Name = Type.String({
  pattern: '^[a-z0-9][a-z0-9._-]{0,62}$',
  description: 'Whose it is, such as `editor`; what it submits is known by this name.',
});
const TokenDraft = Type.Object(
  {
    name: Name,
    scope: Type.Enum([...SCOPES], {
      description:
        '`read` sees everything; `run` submits, and sees what came of that; `admin` does all but this.',
    }),
    capabilities: Type.Optional(
      Type.Array(CapabilityName, {
        minItems: 1,
        maxItems: MAX_CAPABILITIES,
        description: 'All that it may ask for. Without it, anything.',
      }),
    ),
    spendPerDay: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: LIMITS.maxAmountCredits,
        description:
          'Credits that its capsules may cost in one day (UTC). Without it none for `run`, any for `admin`.',
      }),
    ),
    expiresAt: Type.Optional({ ...TimestampMs, description: 'Opens nothing from then on.' }),
  },
  closed,
);
const Created = Type.Object({
  ...Token.properties,
  token: Type.String({ description: 'Told here and never again.' }),
});

export const tokenContract = {
  'GET /api/tokens': {
    operationId: 'listTokens',
    summary: 'Tokens beside the owner’s, by name; what they are is not told.',
    querystring: Type.Object(slicing, closed),
    response: { 200: described('One page.', page(Token)), ...refusals },
  },
  'POST /api/tokens': {
    operationId: 'createToken',
    summary: 'A token for a tool or another person.',
    body: TokenDraft,
    response: { 201: described('The token, once.', Created), ...refusals },
  },
  'DELETE /api/tokens/:name': {
    operationId: 'revokeToken',
    summary: 'Its token opens nothing any more; what it submitted goes on.',
    params: Type.Object({ name: Name }),
    response: { 200: described('As it was.', Token), ...refusals },
  },
};
