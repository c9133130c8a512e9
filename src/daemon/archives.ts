import type { Archives } from '../api/components.ts';
import { nodeArchiveCrypto } from '../archive/crypto-node.ts';
import { verifyArchive } from '../archive/verify.ts';
import { WorkflowArchives, type WorkflowArchivesComponents } from '../exchange/workflow-archive.ts';

/** What HTTP asks about archives, answered with this process's own cryptography. */
export function archivesOf(components: Omit<WorkflowArchivesComponents, 'crypto'>): Archives {
  const crypto = nodeArchiveCrypto;
  const workflows = new WorkflowArchives({ ...components, crypto });
  return {
    sealWorkflow: async (id, options) => {
      const { bytes, sealed } = await workflows.seal(id, options);
      return { bytes, archiveId: sealed.capsuleId };
    },
    verify: (bytes, options) => verifyArchive({ crypto }, bytes, options),
  };
}
