import { Type } from 'typebox';
import { Hex32 } from '../../../protocols/common/v1/schema.ts';
import { MeshEventRef } from '../schemas/capsules.ts';
import { refusals } from '../schemas/shared.ts';

const headers = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ maxLength: 64, description: 'Resumes after this event, while the node remembers it.' }),
  ),
});
const events = {
  200: {
    description: 'Server-sent events; `data` is one JSON document.',
    content: { 'text/event-stream': { schema: MeshEventRef } },
  },
  ...refusals,
};

export const eventContract = {
  'GET /api/events': {
    operationId: 'followNode',
    summary: 'Everything that happens, as it happens.',
    headers,
    response: events,
  },
  'GET /api/capsules/:id/events': {
    operationId: 'followCapsule',
    summary:
      'What happens to one capsule, from its beginning as far as the node remembers; ends with `done`.',
    params: Type.Object({ id: Hex32 }),
    headers,
    response: events,
  },
};
