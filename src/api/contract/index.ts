import { archiveContract } from './archives.ts';
import { capabilityContract } from './capabilities.ts';
import { capsuleContract } from './capsules.ts';
import { creditContract } from './credits.ts';
import { eventContract } from './events.ts';
import { nodeContract } from './node.ts';
import { receiptContract } from './receipts.ts';
import { sessionContract } from './sessions.ts';
import { tokenContract } from './tokens.ts';
import { workflowContract } from './workflows.ts';

/**
 * What every route takes and answers, by method and path. The routes validate and describe themselves with it, and
 * the client's types follow from it.
 */
export const CONTRACT = {
  ...nodeContract,
  ...capsuleContract,
  ...eventContract,
  ...workflowContract,
  ...archiveContract,
  ...capabilityContract,
  ...creditContract,
  ...receiptContract,
  ...tokenContract,
  ...sessionContract,
};
export type Contract = typeof CONTRACT;
