import type { ArchiveCrypto } from '../../archive/crypto/crypto.ts';
import { ORIGINATOR } from '../../archive/envelope.ts';
import { sealToBytes } from '../../archive/seal/seal.ts';
import { timestampOf } from '../../archive/strict.ts';
import type { Sealed } from '../../archive/types.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Signer } from '../../lib/crypto.ts';
import { workflowDraft } from './draft.ts';
import { gatherWorkflow, type WorkflowSources } from './facts.ts';
import { Turns } from './turns.ts';

export interface WorkflowArchivesComponents extends WorkflowSources {
  crypto: ArchiveCrypto;
  signer: Signer;
  clock: Clock;
}

/** Turns finished workflows into archives, signed by this node as `originator`. */
export class WorkflowArchives {
  readonly #components: WorkflowArchivesComponents;

  constructor(components: WorkflowArchivesComponents) {
    this.#components = components;
  }

  /**
   * The archive of the workflow that a capsule belongs to; the same bytes for the same workflow and second, unless it
   * is encrypted to `recipients` (64-hex X25519 keys). Throws `not_found`, `conflict` while it is under way, `too_large`.
   */
  async seal(
    id: string,
    options: { recipients?: string[]; signal?: AbortSignal } = {},
  ): Promise<{ bytes: Uint8Array; sealed: Sealed }> {
    const { crypto, signer, clock } = this.#components;
    const turns = new Turns();
    const { signal } = options;
    const facts = await gatherWorkflow(this.#components, id, { turns, ...(signal && { signal }) });
    const sealedAtMs = clock.now();
    const draft = await workflowDraft(facts, {
      sealedAtMs,
      sealingIdentity: signer.identity,
      turns,
      ...(signal && { signal }),
    });
    const payload = draft.payload.map(({ path, content }) => ({ path, content: turns.source(content) }));
    const originator = {
      role: ORIGINATOR,
      publicKey: signer.identity,
      sign: (message: Uint8Array) => signer.sign(message),
    };
    return sealToBytes(
      { crypto },
      { ...draft, payload },
      {
        ...options,
        signers: [originator],
        sealedAt: timestampOf(sealedAtMs),
      },
    );
  }
}
