import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { described, refusals } from '../schemas/shared.ts';

const Code = Type.String({ minLength: 1, maxLength: 128 });
const Session = Type.Object({
  token: Type.String({ description: 'A bearer token with all of the owner’s rights.' }),
  expiresInMs: Type.Integer(),
});

export const sessionContract = {
  'GET /': {
    operationId: 'landing',
    summary: 'A page for a person, the same for everybody: it shows what its token opens.',
    security: [],
    response: {
      200: { description: 'The page.', content: { 'text/html': { schema: Type.String() } } },
      ...refusals,
    },
  },
  'POST /api/sessions': {
    operationId: 'createSession',
    summary: 'Exchanges a one-time code for a token, which holds for seven days or until the node stops.',
    security: [],
    body: Type.Object({ code: Code }, closed),
    response: { 201: described('The page keeps it.', Session), ...refusals },
  },
  'POST /api/session-codes': {
    operationId: 'createSessionCode',
    summary: 'A one-time code for a browser.',
    response: {
      201: described(
        'Works once, within an hour.',
        Type.Object({
          code: Type.String(),
          url: Type.String({ description: 'The address to open in a browser.' }),
        }),
      ),
      ...refusals,
    },
  },
};
