import type { Capsule, NextStep } from '../../protocols/capsule/v1/schema.ts';
import type { Limits } from '../../src/exchange/machine/draft.ts';
import { type End, keyOf, S, type Who } from './documents.ts';

/** How often what disturbs may happen in one life of the world; everything else is unbounded. */
export interface Budgets {
  crashes: number;
  /** Messages that vanish, and messages that come twice. */
  losses: number;
  doubles: number;
  /** Connections that are lost: `silent`, `lost`, `unreachable`, `parted`. */
  cuts: number;
  /** Timers that fire. */
  timers: number;
  cancels: number;
}

export interface Scenario {
  name: string;
  capsule: Capsule;
  /** Who offers to execute; `repeats`: offers it as idempotent. */
  offers: readonly { who: Who; price: number; repeats: boolean }[];
  ends: readonly End[];
  /** Orders may be declined as busy. */
  busy: boolean;
  /** B says whatever it can. */
  hostile: boolean;
  budgets: Budgets;
  /** Whose processes may end. */
  crashing: readonly Who[];
}

/** Small whole numbers, so that moments coincide and few states differ by their times alone. */
export const LIMITS_OF_MODEL: Limits = {
  heartbeatMs: 1,
  graceMs: 1,
  maxRunMs: 2,
  acceptTimeoutMs: 1,
  searchMs: 4,
  hopelessMs: 1,
  learnMs: 2,
  retryMs: 1,
  deliverMs: 20,
  deliverStrangerMs: 20,
  maxRetries: 1,
};
const EXPIRES_AT = 8;
const AMOUNT = 2;
const PRICE = 1;

function capsule(options: { paid?: 'amount' | 'price'; chain?: 'submitter' | 'executor' }): Capsule {
  const step: NextStep = { requestedCapability: 'b', payloadTemplate: {} };
  return {
    id: 'P',
    version: 1,
    timestamp: 0,
    originIdentity: keyOf(S),
    requestedCapability: 'a',
    payload: {},
    paymentRule: options.paid === undefined ? null : { type: 'credit', amount: AMOUNT, charge: options.paid },
    privacyRule: 'public',
    executionPolicy: { expiresAt: EXPIRES_AT, continueAt: options.chain ?? 'submitter' },
    next: options.chain === undefined ? null : [step],
    chainDepth: null,
    parentCapsule: null,
    signature: '',
  };
}

const offers = (repeats: boolean, ...who: Who[]) => who.map((each) => ({ who: each, price: PRICE, repeats }));

type Base = Omit<Scenario, 'budgets' | 'crashing'>;

const plain = { busy: false, hostile: false };

const BASES: readonly Base[] = [
  {
    ...plain,
    name: 'free work that may repeat',
    capsule: capsule({}),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing', 'final'],
  },
  {
    ...plain,
    name: 'free work that may not repeat',
    capsule: capsule({}),
    offers: offers(false, 1, 2),
    ends: ['completed', 'passing', 'before'],
    busy: true,
  },
  {
    ...plain,
    name: 'paid work that may repeat',
    capsule: capsule({ paid: 'price' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
  },
  {
    ...plain,
    name: 'paid work that may not repeat',
    capsule: capsule({ paid: 'amount' }),
    offers: offers(false, 1, 2),
    ends: ['completed', 'passing'],
  },
  {
    ...plain,
    name: 'chain, the submitter executes too',
    capsule: capsule({ chain: 'submitter' }),
    offers: offers(true, 0, 1),
    ends: ['completed', 'passing'],
  },
  {
    ...plain,
    name: 'chain continued by its submitter',
    capsule: capsule({ chain: 'submitter' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'unfit', 'passing'],
  },
  {
    ...plain,
    name: 'paid chain that may not repeat',
    capsule: capsule({ chain: 'submitter', paid: 'price' }),
    offers: offers(false, 1, 2),
    ends: ['completed'],
  },
  {
    ...plain,
    name: 'chain continued by its executor',
    capsule: capsule({ chain: 'executor' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
  },
  {
    ...plain,
    name: 'chain continued by its executor, all execute, nothing may repeat',
    capsule: capsule({ chain: 'executor' }),
    offers: offers(false, 0, 1, 2),
    ends: ['completed'],
  },
  {
    ...plain,
    name: 'B lies, chain',
    capsule: capsule({ chain: 'submitter' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
    hostile: true,
  },
  {
    ...plain,
    name: 'B lies, paid work that may not repeat',
    capsule: capsule({ paid: 'price' }),
    offers: offers(false, 1, 2),
    ends: ['completed'],
    hostile: true,
  },
  {
    ...plain,
    name: 'B lies, chain continued by its executor',
    capsule: capsule({ chain: 'executor' }),
    offers: offers(true, 1, 2),
    ends: ['completed'],
    hostile: true,
  },
];

interface Disturbance {
  name: string;
  budgets: Budgets;
  crashing: readonly Who[];
}

const CALM: Budgets = { crashes: 0, losses: 0, doubles: 0, cuts: 0, timers: 0, cancels: 0 };

/** What goes wrong; each kind alone goes deeper than all at once. */
const DISTURBANCES: readonly Disturbance[] = [
  { name: 'cuts and late timers', budgets: { ...CALM, cuts: 2, timers: 1 }, crashing: [] },
  { name: 'doubles and losses', budgets: { ...CALM, cuts: 1, doubles: 1, losses: 1 }, crashing: [] },
  { name: 'the submitter crashes', budgets: { ...CALM, crashes: 2, cuts: 1 }, crashing: [0] },
  { name: 'executors crash', budgets: { ...CALM, crashes: 1, cuts: 1, timers: 1 }, crashing: [1, 2] },
  { name: 'cancelled', budgets: { ...CALM, cuts: 1, timers: 1, cancels: 1 }, crashing: [] },
  {
    name: 'everything',
    budgets: { crashes: 1, losses: 1, doubles: 1, cuts: 2, timers: 2, cancels: 1 },
    crashing: [0, 1, 2],
  },
];

export const SCENARIOS: readonly Scenario[] = BASES.flatMap((base) =>
  DISTURBANCES.map(({ name, budgets, crashing }) => ({
    ...base,
    name: `${base.name}: ${name}`,
    budgets,
    crashing,
  })),
);
