import { LayoutError } from '../layout-error.ts';
import { UNICODE_PATH_FIELD, viewOf, ZIP64_FIELD } from './format.ts';

const FIELD_HEADER_BYTES = 4;

/** Refuses extra fields that cannot be told apart, and those that give the entry a second size or a second name. */
export function checkExtraFields(extra: Uint8Array, path: string): void {
  const view = viewOf(extra);
  let offset = 0;
  while (offset + FIELD_HEADER_BYTES <= extra.length) {
    const id = view.getUint16(offset, true);
    if (id === ZIP64_FIELD || id === UNICODE_PATH_FIELD)
      throw new LayoutError('inconsistent_directory', `${path} has a second size or a second name.`, path);
    offset += FIELD_HEADER_BYTES + view.getUint16(offset + 2, true);
  }
  if (offset !== extra.length)
    throw new LayoutError('inconsistent_directory', `${path} has a broken extra field.`, path);
}
