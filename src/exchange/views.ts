import { MeshError } from '../lib/errors.ts';
import type { CapsuleStore } from '../store/types.ts';
import type { CapsuleView } from './types.ts';

/** What surfaces read: capsules with their outcome. */
export class Views {
  readonly #capsules: CapsuleStore;

  constructor({ capsules }: { capsules: CapsuleStore }) {
    this.#capsules = capsules;
  }

  capsule(id: string): CapsuleView | undefined {
    const record = this.#capsules.record(id);
    const capsule = this.#capsules.get(id);
    if (record === undefined || capsule === undefined) return undefined;
    const stored = this.#capsules.result(id);
    return {
      id,
      status: record.status,
      executor: record.executor,
      result: stored?.result ?? null,
      error: record.error,
      receipt: stored?.receipt ?? null,
      children: (stored?.steps ?? []).flatMap(({ child }) => child ?? []),
      record,
      capsule,
    };
  }
}

export function notFound(id: string): MeshError {
  return new MeshError('not_found', `This node knows no capsule ${id}.`);
}
