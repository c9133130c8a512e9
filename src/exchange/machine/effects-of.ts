import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import { careDue } from './coordinator.ts';
import type { Effect } from './effect.ts';
import { workDue } from './executor.ts';
import { type Care, type Grant, newestGrant, type State, type Work } from './state.ts';

/**
 * What a state asks for: a function of the state alone, so that a start after a crash performs what the stored states
 * ask for and nothing else.
 */
export function effectsOf(state: State, capsule: Capsule, { graceMs }: { graceMs: number }): Effect[] {
  if (!state.open) return [];
  const { care, work } = state.life;
  const effects: Effect[] = [];
  let due = Number.POSITIVE_INFINITY;
  if (care !== null) {
    effects.push(...effectsOfCare(care, state, capsule));
    due = careDue(care, state.expiresAt, graceMs);
  }
  if (work !== null) {
    effects.push(...effectsOfWork(work));
    due = Math.min(due, workDue(work));
  }
  if (Number.isFinite(due)) effects.push({ kind: 'timer', key: `timer:${due}`, at: due });
  return effects;
}

function effectsOfCare(care: Care, state: State, capsule: Capsule): Effect[] {
  const { phase } = care;
  const grant = newestGrant(care);
  switch (phase.kind) {
    case 'waiting':
      return [{ kind: 'wait', key: `wait:${phase.open}`, open: phase.open }];
    case 'ordered': {
      if (grant === undefined) return [];
      const { executor: to, lease, mayRepeat } = grant;
      // What may not run twice, and what is paid, must be remembered before anybody can begin it; and proofs show a
      // receipt, which is told to nobody before it is on the disk.
      const early = mayRepeat && capsule.paymentRule === null && capsule.signer === undefined;
      return [{ kind: 'order', key: `order:${lease.epoch}`, to, lease, early }];
    }
    case 'running': {
      if (grant === undefined) return [];
      const { executor: node, lease } = grant;
      return [{ kind: 'watch', key: `watch:${lease.epoch}`, node, epoch: lease.epoch }];
    }
    case 'learning':
      return grant === undefined ? [] : [askAbout(grant)];
    case 'elsewhere':
      return [{ kind: 'ask', key: `ask:${state.coordinator}`, node: state.coordinator, epoch: null }];
    case 'cancelling': {
      const epoch = Math.max(1, state.epoch);
      return [{ kind: 'cancel', key: `cancel:${phase.at}`, to: phase.at, epoch }];
    }
    case 'choosing':
    case 'here':
    case 'ended':
      return [];
  }
}

function askAbout({ executor: node, lease: { epoch } }: Grant): Effect {
  return { kind: 'ask', key: `ask:${epoch}`, node, epoch };
}

function effectsOfWork(work: Work): Effect[] {
  switch (work.kind) {
    case 'running': {
      const { lease, stop, mayRepeat } = work;
      // What is to be stopped at once is not begun before the stop.
      const early = mayRepeat && lease.price === 0 && stop === null;
      const run: Effect = { kind: 'run', key: `run:${lease.epoch}`, lease, early };
      return stop === null ? [run] : [run, { kind: 'stop', key: `stop:${lease.epoch}`, error: stop }];
    }
    case 'delivering':
      return work.to.map((to) => ({ kind: 'deliver', key: `deliver:${work.outcome.receiptHash}:${to}`, to }));
    case 'delivered':
      return [];
  }
}
