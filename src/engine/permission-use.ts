import type { MeshError } from '../lib/errors.ts';
import type { EngineModule } from './module.ts';
import { hasEnded, undeclared, ungranted } from './permission-errors.ts';
import type { PermissionBook } from './permissions.ts';

/** Entries a receipt holds at most, and characters of one (protocols/receipt). */
const MAX_RECORDED = 128;
const MAX_RECORDED_CHARS = 300;

/** What one intent did with its permissions; asked at every use, so that a revocation counts at once. */
export class PermissionUse {
  readonly #module: EngineModule;
  readonly #book: Pick<PermissionBook, 'granted'>;
  readonly #recorded = new Set<string>();
  #ended = false;

  constructor(module: EngineModule, book: Pick<PermissionBook, 'granted'>) {
    this.#module = module;
    this.#book = book;
  }

  get moduleId(): string {
    return this.#module.manifest.id;
  }

  declares(permission: string): boolean {
    return this.#module.declared.has(permission);
  }

  /** Records the use. Throws `permission_denied` where it is not declared or not granted, `cancelled` after `end`. */
  use(permission: string): void {
    this.assertRunning();
    if (!this.declares(permission)) throw this.refuse(permission, undeclared(this.moduleId, permission));
    if (!this.#book.granted(this.moduleId, permission)) {
      throw this.refuse(permission, ungranted(this.moduleId, permission));
    }
    this.#record(permission);
  }

  /** Records a refused use and gives the error to throw. */
  refuse(permission: string, error: MeshError): MeshError {
    this.#record(`refused:${permission}`);
    return error;
  }

  assertRunning(): void {
    if (this.#ended) throw hasEnded();
  }

  end(): void {
    this.#ended = true;
  }

  /** For the receipt: sorted. */
  recorded(): string[] {
    return [...this.#recorded].sort();
  }

  #record(entry: string): void {
    if (this.#recorded.size < MAX_RECORDED) this.#recorded.add(entry.slice(0, MAX_RECORDED_CHARS));
  }
}
