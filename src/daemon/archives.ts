import type { Archives } from '../api/components.ts';
import type { WorkflowArchives, WorkflowArchivesComponents } from '../workflow/archive/archive.ts';

/** Of an archive that is sent here: files are stored as they are, so more than that is packed against the rules. */
const MAX_UNPACKED_BYTES = 134_217_728;

/**
 * What HTTP asks about archives, answered with this process's own cryptography. The library is loaded when it is first
 * asked for: no start waits for it.
 */
export function archivesOf(components: Omit<WorkflowArchivesComponents, 'crypto'>): Archives {
  let workflows: Promise<WorkflowArchives> | undefined;
  return {
    sealWorkflow: async (id, options) => {
      workflows ??= workflowArchives(components);
      const { bytes, sealed } = await (await workflows).seal(id, options);
      return { bytes, archiveId: sealed.capsuleId };
    },
    verify: async (bytes, options) => {
      const { verifyApart } = await import('../archive/apart/apart.ts');
      return verifyApart(bytes, { ...options, limits: { maxTotalBytes: MAX_UNPACKED_BYTES } });
    },
  };
}

async function workflowArchives(
  components: Omit<WorkflowArchivesComponents, 'crypto'>,
): Promise<WorkflowArchives> {
  const { nodeArchiveCrypto } = await import('../archive/crypto/node-crypto.ts');
  const { WorkflowArchives } = await import('../workflow/archive/archive.ts');
  return new WorkflowArchives({ ...components, crypto: nodeArchiveCrypto });
}
