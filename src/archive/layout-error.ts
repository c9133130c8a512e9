import { MeshError } from '../lib/errors.ts';
import type { LayoutReason } from './types.ts';

/** The container, or a document that reading depends on, is refused: nothing in it is used. */
export class LayoutError extends MeshError {
  readonly reason: LayoutReason;
  /** The entry it is about. */
  readonly path: string | null;

  constructor(reason: LayoutReason, message: string, path: string | null = null) {
    super('invalid_archive', message, { reason, ...(path !== null && { path }) });
    this.name = 'LayoutError';
    this.reason = reason;
    this.path = path;
  }
}

export const inconsistent = (message: string, path?: string): LayoutError =>
  new LayoutError('inconsistent_directory', message, path);
