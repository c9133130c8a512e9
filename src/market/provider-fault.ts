import type { ErrorCode } from '../../protocols/common/v1/errors.ts';

/**
 * Failures that are the provider's own. Every other code says something of the capsule, of its payment, or of the
 * moment: a payload that no provider accepts, a model that is spelt wrong, a full queue.
 */
const PROVIDER_FAULTS: ReadonlySet<string> = new Set<ErrorCode>([
  'interrupted',
  'timeout',
  'internal',
  'invalid_receipt',
  'integrity_lock',
  'storage_failed',
  'unreachable',
]);

/** Whether a failure with this code counts against the node that reported it. A code that is not known does not. */
export function isProviderFault(code: string): boolean {
  return PROVIDER_FAULTS.has(code);
}
