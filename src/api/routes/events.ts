import type { FastifyReply } from 'fastify';
import { eventContract } from '../contract/events.ts';
import { EventStream, type EventStreamInit, resumePoint } from '../event-stream.ts';
import { EITHER, type Principal, principalOf, seesOwnOnly } from '../principal.ts';
import type { RouteContext, Server } from '../route-context.ts';
import type { CapsuleView, MeshEvent } from '../schemas/capsules.ts';
import { viewOf } from '../view.ts';
import { hasEnded } from '../wait.ts';

export function eventRoutes(app: Server, context: RouteContext): void {
  const { submissions, components } = context;
  const { capsules } = components;

  app.get(
    '/api/events',
    { config: { scopes: EITHER }, schema: eventContract['GET /api/events'] },
    async (request, reply) => {
      const caller = principalOf(request);
      const since = resumePoint(request.headers['last-event-id'], context.instance) ?? capsules.newestEvent;
      const sees = (event: MeshEvent): boolean => submissions.seesEvent(caller, event);
      return answer(reply, open(context, caller, { since, ...(seesOwnOnly(caller) && { sees }) }));
    },
  );

  app.get(
    '/api/capsules/:id/events',
    { config: { scopes: EITHER }, schema: eventContract['GET /api/capsules/:id/events'] },
    async (request, reply) => {
      const { id } = request.params;
      const caller = principalOf(request);
      submissions.check(caller, id);
      const since = resumePoint(request.headers['last-event-id'], context.instance) ?? 0;
      const view = await viewOf(capsules, id);
      const onCaughtUp = (stream: EventStream): void => {
        if (hasEnded(view)) sendOutcome(stream, view, components.clock.now());
      };
      return answer(reply, open(context, caller, { since, capsuleId: id, onCaughtUp }));
    },
  );
}

/** For a capsule that ended too long ago for its events to be remembered. */
function sendOutcome(stream: EventStream, { id, status, executor, error }: CapsuleView, at: number): void {
  const moment = { sequence: 0, at, capsuleId: id };
  stream.sendApart({ ...moment, type: 'status', status, executor });
  const outcome = status === 'completed' ? 'completed' : 'failed';
  stream.sendApart({ ...moment, type: 'done', status: outcome, error });
  stream.finish();
}

function open(
  { components, followers, instance }: RouteContext,
  caller: Principal,
  init: Omit<EventStreamInit, 'instance'>,
): EventStream {
  const refusal = followers.refusal(caller);
  if (refusal !== undefined) throw refusal;
  const stream = new EventStream(components, { ...init, instance });
  const finish = (): void => stream.finish();
  stream.once('close', followers.add(caller, finish));
  if (caller.expiresAt !== null)
    stream.once('close', components.clock.after(caller.expiresAt - components.clock.now(), finish));
  return stream;
}

function answer(reply: FastifyReply, stream: EventStream): FastifyReply {
  // The client may have disconnected while its capsule was looked up; nothing else would end its stream.
  if (reply.raw.closed) stream.destroy();
  return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream);
}
