import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { expiryOf } from '../../capsule/roles.ts';
import { onChosen } from './choosing.ts';
import * as coordinator from './coordinator.ts';
import { Draft, type Setting } from './draft.ts';
import type { Change } from './effect.ts';
import type { Event } from './event.ts';
import * as executor from './executor.ts';
import type { Care, Share, State } from './state.ts';
import { onInvalid, onResult, saysWhenItExpires } from './submitter.ts';

/**
 * A capsule's life on one node (node "One way for a capsule"): `(state, event, now) -> (state, what belongs to its
 * batch, what is answered)`. Pure: no I/O, no clock, no randomness. `effectsOf` says what the new state asks for.
 * An event that the state has no use for changes nothing.
 */
export function step(state: State | undefined, capsule: Capsule, event: Event, setting: Setting): Change {
  if (state !== undefined) return take(new Draft(state, capsule, setting), event);
  const born = bear(event, setting);
  if (born === undefined) throw new TypeError(`No capsule is known that "${event.type}" could be about.`);
  const draft = new Draft(born, capsule, setting, undefined);
  draft.write({ kind: 'capsule', capsule });
  return take(draft, event);
}

function take(draft: Draft, event: Event): Change {
  apply(draft, event);
  return draft.finish();
}

function apply(draft: Draft, event: Event): void {
  switch (event.type) {
    case 'submitted':
    case 'spawned':
      return;
    case 'chosen':
      return onChosen(draft, event);
    case 'changed':
      return coordinator.onChanged(draft);
    case 'accepted':
      return coordinator.onAccepted(draft, event);
    case 'declined':
      return coordinator.onDeclined(draft, event);
    case 'unreachable':
      return coordinator.onUnreachable(draft, event);
    case 'silent':
      return coordinator.onSilent(draft, event);
    case 'lost':
      return coordinator.onLost(draft, event);
    case 'unknown':
      return coordinator.onUnknown(draft, event);
    case 'handed_back':
      return coordinator.onHandedBack(draft, event);
    case 'cancel':
      return coordinator.onCancel(draft);
    case 'cancel_confirmed':
      return coordinator.onCancelConfirmed(draft, event);
    case 'result':
      return onResult(draft, event);
    case 'invalid':
      return onInvalid(draft, event);
    case 'ordered':
      return executor.onOrdered(draft, event);
    case 'ran':
      return executor.onRan(draft, event);
    case 'stopped':
      return executor.onStopped(draft, event);
    case 'parted':
      return executor.onParted(draft, event);
    case 'offered':
      return executor.onOffered(draft);
    case 'abandoned':
      return executor.onAbandoned(draft);
    case 'acknowledged':
      return executor.onAcknowledged(draft, event);
    case 'refused':
      return executor.onRefused(draft, event);
    case 'restarted':
      coordinator.onRestartedCare(draft);
      return executor.onRestarted(draft, event);
    case 'due':
      coordinator.onDue(draft);
      return executor.onWorkDue(draft);
  }
}

/** The state that a capsule begins its life on this node with. */
function bear(event: Event, { self, now }: Setting): State | undefined {
  switch (event.type) {
    case 'submitted': {
      const { capsule, root, only } = event;
      const care = careOf({ kind: 'choosing' }, { only, patient: saysWhenItExpires(capsule) });
      return stateOf(capsule, { root, submitter: self, coordinator: self, share: 'own', now, care });
    }
    case 'spawned': {
      const { capsule, root, coordinator: other, submitter, share, patient } = event;
      const care = careOf({ kind: other === self ? 'choosing' : 'elsewhere' }, { patient });
      return stateOf(capsule, { root, submitter, coordinator: other, share, now, care });
    }
    case 'ordered': {
      const { capsule, root, from, submitter, share } = event;
      // A step of its own chain can be ordered of the submitter before it heard of the parent's result.
      const care = submitter === self ? careOf({ kind: 'elsewhere' }, {}) : null;
      return stateOf(capsule, { root, submitter, coordinator: from, share, now, care });
    }
    default:
      return undefined;
  }
}

function careOf(
  phase: Care['phase'],
  { only = null, patient = false }: { only?: string | null; patient?: boolean },
): Care {
  return {
    phase,
    grants: [],
    tries: [],
    asked: [],
    refused: [],
    unproven: 0,
    searchedFrom: null,
    patient,
    only,
    unknownRun: false,
    late: null,
  };
}

function stateOf(
  capsule: Capsule,
  role: {
    root: string;
    submitter: string;
    coordinator: string;
    share: Share;
    now: number;
    care: Care | null;
  },
): State {
  const { root, submitter, coordinator: coordinating, share, now, care } = role;
  return {
    id: capsule.id,
    originIdentity: capsule.originIdentity,
    requestedCapability: capsule.requestedCapability,
    parentCapsule: capsule.parentCapsule,
    chainDepth: capsule.chainDepth ?? 0,
    root,
    timestamp: capsule.timestamp,
    receivedAt: now,
    updatedAt: now,
    expiresAt: expiryOf(capsule),
    submitter,
    coordinator: coordinating,
    status: 'pending',
    executor: null,
    epoch: 0,
    attempts: 0,
    error: null,
    receiptHash: null,
    steps: [],
    share,
    bytes: 0,
    open: true,
    history: [{ at: now, status: 'pending' }],
    life: { care, work: null, decisions: [] },
  };
}
