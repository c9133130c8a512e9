import { MeshError } from '../lib/errors.ts';
import type { ApiComponents } from './components.ts';
import type { CapsuleView } from './schemas/capsules.ts';

/** All that the node knows of a capsule. Throws `not_found`. */
export async function viewOf(
  capsules: Pick<ApiComponents['capsules'], 'view'>,
  id: string,
): Promise<CapsuleView> {
  const view = await capsules.view(id);
  if (view === undefined) throw new MeshError('not_found', `The node has no capsule ${id}.`);
  return view;
}
