import type { ExchangeMessageOf } from '../../../protocols/messages/v1/schema.ts';
import type { Capsules } from '../components.ts';
import type { State } from '../machine/state.ts';

type Result = ExchangeMessageOf<'capsule_result'>;

/** The message that tells how a capsule was executed here, made anew from what is stored. */
export class Outcomes {
  readonly #capsules: Pick<Capsules, 'result'>;

  constructor({ capsules }: { capsules: Pick<Capsules, 'result'> }) {
    this.#capsules = capsules;
  }

  /** A coordinator that is not the submitter gets the receipt and no result. Undefined where nothing was executed. */
  messageFor(to: string, { id, submitter, error }: State): Result | undefined {
    const stored = this.#capsules.result(id);
    if (!stored?.receipt || stored.assignment === null) return undefined;
    const { receipt, assignment, result } = stored;
    const head = { type: 'capsule_result', capsuleId: id, receipt, assignment } as const;
    if (receipt.status === 'completed')
      return { ...head, status: 'completed', ...(to === submitter && { result }) };
    return { ...head, status: 'failed', error: error ?? receipt.error ?? NO_REASON };
  }
}

const NO_REASON = { code: 'internal', message: 'The executor gave no reason.' };
