/**
 * The steps of the spine between which a node may die, in the order a capsule passes them. `capsule start` never dies
 * at one: the durability test runs nodes with `FaultPoints` of its own, and walks the whole list.
 */
export const COORDINATOR_FAULT_POINTS = [
  'submit.validated',
  'submit.stored',
  'order.sent',
  'accept.received',
  'result.received',
  'result.committed',
  'settlement.sent',
] as const;

export const EXECUTOR_FAULT_POINTS = [
  'order.received',
  'order.stored',
  'accept.sent',
  'run.finished',
  'outcome.committed',
  'result.sent',
  'settlement.received',
  'settlement.committed',
] as const;

export type FaultPoint = (typeof COORDINATOR_FAULT_POINTS)[number] | (typeof EXECUTOR_FAULT_POINTS)[number];
