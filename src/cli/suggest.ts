import { MeshError } from '../lib/errors.ts';
import { nearestName } from '../market/nearest-name.ts';
import { CliError } from './failure.ts';

/** A word that was typed, and where to ask what it could have been meant for. */
type Typed = readonly [word: string, known: () => Promise<readonly string[]>];

export const didYouMean = (word: string, known: Iterable<string>): string | undefined => {
  const name = nearestName(word, known);
  return name === null || name === word ? undefined : `Did you mean ${name}?`;
};

/** What a node says it does not have is told with the name that is most like it. */
export async function suggesting<T>(request: Promise<T>, typed: readonly Typed[]): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'not_found') throw error;
    for (const [word, known] of typed) {
      const hint = didYouMean(word, await known().catch(() => []));
      if (hint !== undefined) throw new CliError(error.code, error.message, hint);
    }
    throw error;
  }
}
