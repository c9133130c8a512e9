import { Type } from 'typebox';
import { Hex32 } from '../../../protocols/common/v1/schema.ts';
import {
  ARCHIVE_TYPE,
  ARCHIVE_TYPES,
  ArchiveBytes,
  SealQuery,
  VerificationReport,
  VerifyQuery,
} from '../schemas/archives.ts';
import { described, refusals } from '../schemas/shared.ts';

export const archiveContract = {
  'GET /api/workflows/:id/archive': {
    operationId: 'sealWorkflow',
    summary: 'The finished workflow that a capsule belongs to, as an archive that this node signs.',
    params: Type.Object({ id: Hex32 }),
    querystring: SealQuery,
    response: {
      200: {
        description: 'A `.capsule` file.',
        headers: { 'x-archive-id': { type: 'string', description: "The archive's `capsule_id`." } },
        content: { [ARCHIVE_TYPE]: { schema: ArchiveBytes } },
      },
      ...refusals,
    },
  },
  'POST /api/archives/verify': {
    operationId: 'verifyArchive',
    summary: 'Verifies an archive, without a key to open it (L2).',
    consumes: [...ARCHIVE_TYPES],
    body: ArchiveBytes,
    querystring: VerifyQuery,
    response: {
      200: described('The verdict, whatever it is; `ok` says which.', VerificationReport),
      ...refusals,
    },
  },
};
