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
  /** Distinct states after which the exploration stops. */
  most: number;
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

const CALM: Budgets = { crashes: 0, losses: 0, doubles: 0, cuts: 0, timers: 1, cancels: 0 };

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

const plain = { crashing: [0, 1, 2] as const, busy: false, hostile: false, most: 200_000 };

export const SCENARIOS: readonly Scenario[] = [
  {
    ...plain,
    name: 'free work that may repeat, two executors',
    capsule: capsule({}),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing', 'final'],
    budgets: { ...CALM, crashes: 1, doubles: 1, cuts: 2, timers: 2 },
  },
  {
    ...plain,
    name: 'free work that may not repeat, two executors',
    capsule: capsule({}),
    offers: offers(false, 1, 2),
    ends: ['completed', 'passing', 'before'],
    busy: true,
    budgets: { ...CALM, crashes: 2, doubles: 1, cuts: 2, timers: 2 },
  },
  {
    ...plain,
    name: 'paid work that may repeat, two executors',
    capsule: capsule({ paid: 'price' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
    budgets: { ...CALM, crashes: 1, doubles: 1, cuts: 3, timers: 2 },
  },
  {
    ...plain,
    name: 'paid work that may not repeat, two executors',
    capsule: capsule({ paid: 'amount' }),
    offers: offers(false, 1, 2),
    ends: ['completed', 'passing'],
    budgets: { ...CALM, crashes: 1, doubles: 1, cuts: 2, timers: 2, cancels: 1 },
  },
  {
    ...plain,
    name: 'cancelled by its submitter',
    capsule: capsule({}),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
    budgets: { ...CALM, crashes: 1, doubles: 1, cuts: 1, timers: 2, cancels: 1 },
  },
  {
    ...plain,
    name: 'own capability beside another executor',
    capsule: capsule({ chain: 'submitter' }),
    offers: offers(true, 0, 1),
    ends: ['completed', 'passing'],
    budgets: { ...CALM, crashes: 2, cuts: 1, timers: 2, cancels: 1 },
  },
  {
    ...plain,
    name: 'chain continued by its submitter',
    capsule: capsule({ chain: 'submitter' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'unfit', 'passing'],
    budgets: { ...CALM, crashes: 1, cuts: 1, timers: 1 },
  },
  {
    ...plain,
    name: 'paid chain that may not repeat',
    capsule: capsule({ chain: 'submitter', paid: 'price' }),
    offers: offers(false, 1, 2),
    ends: ['completed'],
    budgets: { ...CALM, crashes: 1, doubles: 1, cuts: 1, timers: 1 },
  },
  {
    ...plain,
    name: 'chain continued by its executor',
    capsule: capsule({ chain: 'executor' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
    budgets: { ...CALM, crashes: 1, cuts: 1, timers: 2 },
  },
  {
    ...plain,
    name: 'chain continued by its executor, all nodes execute, nothing may repeat, cancelled',
    capsule: capsule({ chain: 'executor' }),
    offers: offers(false, 0, 1, 2),
    ends: ['completed'],
    budgets: { ...CALM, crashes: 1, cuts: 1, timers: 2, cancels: 1 },
  },
  {
    ...plain,
    name: 'one executor lies, work that may repeat',
    capsule: capsule({ chain: 'submitter' }),
    offers: offers(true, 1, 2),
    ends: ['completed', 'passing'],
    hostile: true,
    budgets: { ...CALM, crashes: 1, cuts: 1, timers: 1 },
  },
  {
    ...plain,
    name: 'one executor lies, paid work that may not repeat',
    capsule: capsule({ paid: 'price' }),
    offers: offers(false, 1, 2),
    ends: ['completed'],
    hostile: true,
    budgets: { ...CALM, crashes: 1, doubles: 1, cuts: 2, timers: 2, cancels: 1 },
  },
  {
    ...plain,
    name: 'one executor lies, chain continued by its executor',
    capsule: capsule({ chain: 'executor' }),
    offers: offers(true, 1, 2),
    ends: ['completed'],
    hostile: true,
    budgets: { ...CALM, crashes: 1, cuts: 1, timers: 1 },
  },
];
