import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { identityOf, nodeIdOf } from '../../capsule/identity.ts';
import { capsuleToIntent } from '../../capsule/intent.ts';
import type { Ticket } from '../../engine/types.ts';
import { explainNobody } from '../../market/explain-nobody.ts';
import { LOCAL } from '../../market/scheduler.ts';
import type { Decision } from '../../market/types.ts';
import type { ExchangeComponents } from '../components.ts';
import type { Note } from '../machine/effect.ts';
import type { Choosable, Event } from '../machine/event.ts';
import type { Care, State } from '../machine/state.ts';
import type { Tickets } from './tickets.ts';

type Components = Pick<
  ExchangeComponents,
  'scheduler' | 'health' | 'engine' | 'network' | 'clock' | 'signer'
> & { tickets: Tickets };

/** Characters of what a node gave as its reason that a decision keeps. */
const ANSWER_CHARS = 200;

type Chosen = Extract<Event, { type: 'chosen' }>;

/** Asks the scheduler for a capsule that looks for somebody, and takes a place for this node where it is ranked. */
export class Chooser {
  readonly #components: Components;
  readonly #self: string;

  constructor(components: Components) {
    this.#components = components;
    this.#self = nodeIdOf(components.signer.identity);
  }

  choose(capsule: Capsule, { life: { care } }: State): { chosen: Chosen; decision: Decision } {
    const { scheduler, clock } = this.#components;
    const only = care?.only ?? null;
    const tried = new Set([
      ...(care?.refused ?? []),
      ...(care?.tries ?? []).map(({ executor }) => executor),
      ...(care?.asked ?? []).map(({ executor }) => executor),
    ]);
    const decision = scheduler.choose(capsule, { tried, ...(only !== null && { only }), now: clock.now() });
    const ranking = this.#ranking(capsule, decision, only);
    const here = ranking.some(({ nodeId }) => nodeId === this.#self);
    const local = here ? this.#admit(capsule) : null;
    const chosen: Chosen = { type: 'chosen', ranking, local, ...this.#nobody(capsule, decision) };
    return { chosen, decision: withAnswers(decision, care, local) };
  }

  /** After the choice: a place that was taken for nothing is given back. */
  settle({ id, life: { work } }: State): void {
    if (work?.kind !== 'running') this.#components.tickets.release(id);
  }

  /** How nodes behaved, before the next choice. */
  learn(capabilityId: string, notes: readonly Note[]): void {
    const { health, network } = this.#components;
    for (const note of notes) {
      if (note.node === this.#self) continue;
      switch (note.kind) {
        case 'succeeded':
          health.succeeded(note.node, capabilityId);
          network.favour(note.node);
          break;
        case 'failed':
          health.failed(note.node, capabilityId, note.code);
          break;
        case 'busy':
          health.declinedBusy(note.node, capabilityId, note.retryAfterMs);
          break;
        case 'silent':
          health.silent(note.node, capabilityId);
          break;
        case 'lost':
          health.lost(note.node, capabilityId);
          break;
        case 'disproved':
          health.disproved(note.node, capabilityId);
          break;
      }
    }
  }

  /** A node that was named is asked even when the market does not know it. */
  #ranking(capsule: Capsule, { ranking }: Decision, only: string | null): Choosable[] {
    const { network } = this.#components;
    if (ranking.length === 0 && only !== null && only !== this.#self) {
      // What is restricted must not even be shown to a node that may not execute it.
      const admitted = capsule.privacyRule === 'public' || identityOf(only) === capsule.originIdentity;
      const price = capsule.paymentRule?.amount ?? 0;
      return admitted ? [{ nodeId: only, price, idempotent: false, proven: network.isConnected(only) }] : [];
    }
    const { action } = capsuleToIntent(capsule);
    // An offer says nothing of other actions than its own.
    const asked = capsule.requestedCapability;
    const plain = action === asked || asked.endsWith(`.${action}`);
    return ranking.map(({ nodeId, price, idempotent, proven }) =>
      nodeId === LOCAL
        ? { nodeId: this.#self, price, idempotent: this.#ownIdempotence(asked, action), proven: true }
        : { nodeId, price, idempotent: idempotent && plain, proven },
    );
  }

  #ownIdempotence(capability: string, action: string): boolean {
    return this.#components.engine.offer(capability, action)?.idempotent === true;
  }

  #admit(capsule: Capsule): ErrorBody | null {
    const { engine, tickets } = this.#components;
    const ticket: Ticket | ErrorBody = engine.admit(capsule.requestedCapability, capsule.originIdentity);
    if ('code' in ticket) return ticket;
    tickets.put(capsule.id, ticket);
    return null;
  }

  /** The reason of an empty ranking; hopeless where nobody that this node hears of knows the name. */
  #nobody({ requestedCapability }: Capsule, decision: Decision): { nobody: ErrorBody; hopeless: boolean } {
    const { scheduler, network } = this.#components;
    const { providers, nearest, heard } = scheduler.knows(requestedCapability);
    if (providers > 0) {
      const message = explainNobody(decision).slice(0, LIMITS.errorMessageChars);
      return { nobody: { code: 'no_provider', message }, hopeless: false };
    }
    const hint = nearest === null ? '' : ` The nearest known name is ${nearest}.`;
    const message = `No node that is known offers ${requestedCapability}.${hint}`;
    // Of a node that has just met its first peer nobody knows yet what is offered.
    return { nobody: { code: 'no_provider', message }, hopeless: heard && network.peers().length > 0 };
  }
}

/** The decision with what nodes answered when they were asked; this node itself is asked with the choice. */
function withAnswers(decision: Decision, care: Care | null, local: ErrorBody | null): Decision {
  const answers = new Map(
    [...(care?.tries ?? []), ...(care?.asked ?? [])].map(({ executor, error }) => [
      executor,
      answerOf(error),
    ]),
  );
  const { ranking, excluded, excludedBy } = decision;
  const annotated = {
    ...decision,
    excluded: excluded.map((each) => {
      const note = answers.get(each.nodeId);
      return note === undefined ? each : { ...each, note };
    }),
  };
  if (local === null) return annotated;
  return {
    ...annotated,
    ranking: ranking.filter(({ nodeId }) => nodeId !== LOCAL),
    excluded: [{ nodeId: LOCAL, reason: 'busy', note: answerOf(local) }, ...annotated.excluded],
    excludedBy: { ...excludedBy, busy: (excludedBy.busy ?? 0) + 1 },
  };
}

function answerOf({ message }: ErrorBody): string {
  return message.slice(0, ANSWER_CHARS);
}
