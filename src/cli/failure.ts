import { CommanderError } from 'commander';
import { ERROR_CODES, type ErrorBody, isErrorCode } from '../../protocols/common/v1/errors.ts';
import { MeshError, toErrorBody } from '../lib/errors.ts';

/** Exit codes (interfaces "Command line"): 0 success, 1 failed, 2 usage, 3 no node reachable, 4 refused. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The next step to take, by code. */
const NEXT_STEPS: ReadonlyMap<string, string> = new Map([
  ['no_provider', 'See who offers what: capsule market'],
  ['capability_unavailable', 'See who offers what: capsule market'],
  ['payment_required', 'Say what you pay: --pay N'],
  ['insufficient_credit', 'See the balance: capsule credits. An operator adds: capsule credits grant ID N'],
  ['unauthorized', 'The token is in the node’s data directory: --data DIR, or CAPSULE_API_TOKEN'],
  ['data_dir_locked', 'Stop the other node, or use another directory: --data DIR'],
  ['data_dir_unwritable', 'Use another directory: --data DIR'],
  ['address_in_use', 'Use other addresses: --api HOST:PORT and --listen MULTIADDR (port 0 takes a free one)'],
  ['integrity_lock', 'If you know the change: capsule capabilities trust NAME'],
  ['permission_denied', 'See what is granted: capsule permissions list'],
  ['busy', 'Try again in a moment.'],
  ['unreachable', 'Start one with `capsule start`, or name another: --data DIR, --api-url URL'],
]);

/** A failure with its own next step, where the one for the code does not fit. */
export class CliError extends MeshError {
  readonly nextStep: string | undefined;

  constructor(code: ErrorBody['code'], message: string, nextStep?: string) {
    super(code, message);
    this.nextStep = nextStep;
  }
}

export const usage = (message: string, nextStep?: string): CliError =>
  new CliError('usage', message, nextStep);

/** `capsule: <sentence> (<code>)`, and a line with the next step where there is one. */
export function describeFailure(error: { code: string; message: string }, nextStep?: string): string {
  const step = nextStep ?? NEXT_STEPS.get(error.code);
  return `capsule: ${error.message} (${error.code})\n${step === undefined ? '' : `${step}\n`}`;
}

/** What to print about anything thrown, and the exit code it stands for. */
export function failureOf(thrown: unknown): { text: string; exit: number } {
  if (thrown instanceof CommanderError) {
    // Commander has printed it; help and version that were asked for end with 0.
    return { text: '', exit: thrown.exitCode === 0 ? EXIT.ok : EXIT.usage };
  }
  const nextStep = thrown instanceof CliError ? thrown.nextStep : tokenStep(thrown);
  const body = thrown instanceof MeshError ? thrown : unforeseen(thrown);
  return { text: describeFailure(body, nextStep), exit: exitOf(body.code) };
}

/** What the caller's token may not is another thing than what a capability may not. */
function tokenStep(thrown: unknown): string | undefined {
  if (!(thrown instanceof MeshError) || thrown.code !== 'permission_denied') return undefined;
  const lacks = typeof thrown.detail === 'object' && thrown.detail !== null && 'missing' in thrown.detail;
  return lacks ? 'The node’s owner makes another one: capsule token create' : undefined;
}

function exitOf(code: string): number {
  return isErrorCode(code) ? ERROR_CODES[code].exit : EXIT.failed;
}

/** Here, unlike on the wire, whoever reads it is whoever runs it: the inner text helps and harms nobody. */
function unforeseen(thrown: unknown): ErrorBody {
  if (!(thrown instanceof Error)) return toErrorBody(thrown);
  return { code: 'internal', message: `${thrown.message}.`.replace(/\.\.$/, '.') };
}
