import type { ExecutionPolicy, NextStep } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { CapsuleDraft } from '../api/schemas/capsules.ts';
import { isObject } from '../lib/json.ts';
import { usage } from './failure.ts';
import { readJsonOption, readText } from './files.ts';
import type { CliIo } from './io.ts';
import { arg, choice, flag, option, usually, type Values } from './option.ts';
import { amount, duration, integer } from './options.ts';

export const DRAFT_ARGS = [
  arg('<capability>', 'what to ask for, such as text.summarize'),
  arg('[text]', 'becomes payload.text; - is standard input, which is also read where it is a pipe'),
] as const;

/** What says what a capsule asks for; the same for `run` and `create`. */
export const DRAFT = {
  input: option('<file>', 'a file whose text becomes payload.text; - is standard input'),
  payload: option('<json>', 'the payload as JSON, or @FILE; - is standard input'),
  next: option('<json>', 'the next steps as JSON, or @FILE; - is standard input'),
  pay: option('<n>', 'at most N credits for the capsule, and for each one of a chain', amount),
  prepay: flag('only where the balance already covers the amount'),
  privacy: usually(choice('<rule>', 'who may run it', ['public', 'restricted', 'encrypted']), 'public'),
  timeout: option('<time>', 'longest one attempt may run: 500ms, 5s, 2m', duration(1, LIMITS.maxTimeoutMs)),
  retries: option('<n>', 'further attempts after a failed one', integer(0, LIMITS.maxRetries)),
  locality: choice('<ring>', 'which ring to try first', ['local', 'ring1', 'ring2', 'global']),
};
type DraftOptions = Values<typeof DRAFT>;

export async function readDraft(
  io: CliIo,
  options: DraftOptions,
  capability: string,
  text: string | undefined,
): Promise<CapsuleDraft> {
  if (options.prepay && options.pay === undefined) throw usage('--prepay needs --pay N.');
  return {
    requestedCapability: capability,
    payload: await readPayload(io, text, options),
    paymentRule:
      options.pay === undefined
        ? null
        : {
            type: 'credit',
            amount: options.pay,
            ...(options.prepay && { requirePrepay: true }),
            charge: 'price',
          },
    privacyRule: options.privacy,
    executionPolicy: policyOf(options),
    next: options.next === undefined ? null : await readSteps(io, options.next),
  };
}

/** Checking them takes a part that takes a while to load. */
async function readSteps(io: CliIo, next: string): Promise<NextStep[]> {
  const value = await readJsonOption(io, '--next', next);
  return (await import('./steps.ts')).stepsOf(value);
}

async function readPayload(io: CliIo, text: string | undefined, options: DraftOptions): Promise<JsonObject> {
  if (text !== undefined && options.input !== undefined) throw usage('Give the text or --input, not both.');
  const payload = options.payload === undefined ? {} : await readJsonOption(io, '--payload', options.payload);
  if (!isObject(payload)) throw usage('--payload must be a JSON object.');
  const given = await readGiven(io, text, options);
  if (given === undefined) return payload;
  if (Object.hasOwn(payload, 'text'))
    throw usage('The payload has a "text" already; leave that or the text out.');
  return { ...payload, text: given };
}

/** The text as typed, from `--input` or from the pipe that the command stands behind, which may also be empty. */
async function readGiven(
  io: CliIo,
  text: string | undefined,
  { input, payload, next }: DraftOptions,
): Promise<string | undefined> {
  const source = text === '-' ? '-' : input;
  if (source !== undefined) return readText(io, source, LIMITS.capsuleBytes);
  const isTaken = payload !== undefined || next === '-' || next === '@-';
  if (text !== undefined || isTaken || !io.isPiped()) return text;
  return (await readText(io, '-', LIMITS.capsuleBytes)) || undefined;
}

function policyOf({ timeout, retries, locality }: DraftOptions): ExecutionPolicy | null {
  if (timeout === undefined && retries === undefined && locality === undefined) return null;
  return {
    ...(timeout !== undefined && { timeout }),
    ...(retries !== undefined && { maxRetries: retries }),
    ...(locality !== undefined && { preferredLocality: locality }),
  };
}
