/** Hard limits two nodes agree on by default (design "Common rules"). Units are in the names. */
export const LIMITS = {
  capsuleBytes: 1_048_576,
  /** Canonical form of a result, checked by who makes it and by who takes it. */
  resultBytes: 1_048_576,
  frameBytes: 4_194_304,
  jsonDepth: 64,
  nextSteps: 16,
  /** Payload paths that a lineage names one by one; beyond, it names the members that hold them. */
  lineagePaths: 256,
  chainDepth: 5,
  capabilityNameChars: 128,
  /** How far the clocks of two nodes may differ, wherever one judges the other's times: five minutes. */
  clockSkewMs: 300_000,
  /** A capsule without `expiresAt` ends 7 days after its timestamp: for so long a node remembers what it ran. */
  defaultLifetimeMs: 604_800_000,
  /** The latest `expiresAt` after the timestamp: 30 days. */
  maxLifetimeMs: 2_592_000_000,
  /** One credit is 1,000,000 micro-credits; amounts carry at most 6 decimals, so the ledger counts integers. */
  microPerCredit: 1_000_000,
  maxAmountCredits: 1_000_000_000,
  maxRetries: 10,
  /** Longest execution a policy may ask for: one day. */
  maxTimeoutMs: 86_400_000,
  maxEpoch: 1_000_000,
  capabilitiesPerAdvertisement: 256,
  addressesPerAdvertisement: 8,
  addressChars: 256,
  idsPerMessage: 64,
  exchangeIdChars: 64,
  errorMessageChars: 512,
  /** JSON of the `detail` of an error that another node sends. */
  errorDetailBytes: 4_096,
  messageTypeChars: 64,
} as const;

/** Domain strings of every signature: Ed25519 over `utf8(domain + "\0") || raw 32-byte hash`. */
export const DOMAINS = {
  capsule: 'frame-capsule-v1',
  receipt: 'frame-receipt-v1',
  assignment: 'frame-assignment-v1',
  assignmentBatch: 'frame-assignment-batch-v1',
  settlement: 'frame-settlement-v1',
  grant: 'frame-grant-v1',
  session: 'frame-session-v1',
} as const;
export type Domain = (typeof DOMAINS)[keyof typeof DOMAINS];

/** libp2p protocol ids and gossipsub topics (design "Messages"). */
export const EXCHANGE_PROTOCOL = '/capsule-mesh/exchange/1.0.0';
export const SESSION_PROTOCOL = '/capsule-mesh/session/1.0.0';
export const MARKET_TOPIC = '/capsule-mesh/1/market';
export const ANNOUNCE_TOPIC_PREFIX = '/capsule-mesh/1/announce/';

/** The announce topic of a capability is named by the first part of its dotted name: `ai.chat` → `…/ai`. */
export function announceTopic(capabilityId: string): string {
  return ANNOUNCE_TOPIC_PREFIX + (capabilityId.split('.', 1)[0] ?? capabilityId);
}
