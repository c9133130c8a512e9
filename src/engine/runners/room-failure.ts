import { LIMITS } from '../../../protocols/common/v1/limits.ts';
import { MeshError } from '../../lib/errors.ts';
import type { Failure } from './messages.ts';

/** What code threw in a room. `describeFailure` judges it like what code of this process throws. */
export class RoomFailure extends Error {
  readonly code: string;
  readonly detail: unknown;

  constructor({ code, message, detail, name, trace }: Failure) {
    super(message);
    this.code = code;
    const size = detail === undefined ? 0 : Buffer.byteLength(JSON.stringify(detail));
    this.detail = size > LIMITS.errorDetailBytes ? undefined : detail;
    this.name = name ?? 'Error';
    // Where it was thrown, over there.
    this.stack = `${message}\n${trace ?? ''}`;
  }
}

export function brokeRules(module: string, clause: string): MeshError {
  return new MeshError('internal', `The code of the module ${module} was stopped: ${clause}.`);
}
