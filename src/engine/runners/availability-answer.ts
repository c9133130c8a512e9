import { type Static, Type } from 'typebox';
import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { checkOf } from '../../lib/check.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Run } from './runner.ts';

/** Far more than a manifest has; ids that it does not have are left out later. */
const MAX_OFFERS = 1_024;

/** As many as a manifest may say. */
const MAX_CONCURRENT = 1_024;

const Answer = Type.Object({
  capabilities: Type.Array(
    Type.Object({
      id: Type.String({ maxLength: 128 }),
      estimatedLatency: Type.Optional(Type.Number()),
      detail: Type.Optional(JsonObject),
      ownOnly: Type.Optional(Type.Boolean()),
      maxConcurrent: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_CONCURRENT })),
    }),
    { maxItems: MAX_OFFERS },
  ),
  reason: Type.Optional(Type.String({ maxLength: LIMITS.errorMessageChars })),
});
const answerCheck = checkOf(Answer);

/** A probe's run, with what it says checked. */
export function asProbe({ ended, gone }: Run<unknown>): Run<Static<typeof Answer>> {
  return {
    ended: ended.then((end) => {
      if ('thrown' in end) return end;
      const { value, use } = end;
      if (answerCheck.accepts(value)) return { value, use };
      const message = `What it can offer is not told as it should be: ${answerCheck.explain(value)}.`;
      return { thrown: new MeshError('internal', message), use };
    }),
    gone,
  };
}
