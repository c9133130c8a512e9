import { continueArchive } from '../../../archive/seal/continue.ts';
import { checkOutputs, writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { readText } from '../../files.ts';
import { actingParticipants, readEvents, readParticipants, sealingTime } from './drafts.ts';
import { type ReadingOptions, readingOptions, readRecipients } from './keys.ts';
import { components, openVerified, withSource } from './open.ts';
import { tellSealed } from './sealed.ts';
import { readSigners, type SignerOptions } from './signers.ts';

export interface AppendOptions extends SignerOptions, ReadingOptions {
  out: string;
  event?: string[];
  participant?: string[];
  program?: string;
  recipient?: string[];
  pith?: boolean;
  at?: string;
  force?: boolean;
}

const PROGRAM_BYTES = 16_777_216;

/** Verifies an archive, appends to its history and seals the whole again (archive-v0.6 "Hydration"). */
export async function append(cli: Cli, file: string, options: AppendOptions): Promise<void> {
  const force = options.force === true;
  await checkOutputs([options.out], force);
  const events = await readEvents(cli, options.event);
  if (events.length === 0)
    throw usage('There is no event to append.', 'Give one: --event JSON, or --event @FILE');
  const participants = await readParticipants(cli, options.participant);
  const program =
    options.program === undefined ? {} : { program: await readText(cli.io, options.program, PROGRAM_BYTES) };
  const recipients = await readRecipients(cli.io, options.recipient);
  const sealedAt = sealingTime(options.at);
  const reading = await readingOptions(cli.io, options);
  const done = await cli.interruptible(
    (signal) =>
      withSource(cli, file, async (source) => {
        const opened = await openVerified(source, { ...reading, signal });
        const signers = await readSigners(cli, options);
        const acting = actingParticipants(cli, events, [...opened.manifest.participants, ...participants]);
        const additions = {
          events,
          participants: [...participants, ...acting],
          ...program,
          ...(options.pith === false && { pith: false }),
        };
        const sealed = await writeWhole(options.out, { force }, (sink) =>
          continueArchive(components, opened, additions, { signers, sealedAt, recipients, signal }, sink),
        );
        return { sealed, before: opened.manifest.id };
      }),
    () => 'Interrupted: nothing was written.',
  );
  if (done === undefined) return;
  const { sealed, before } = done;
  if (sealed.capsuleId !== before)
    cli.note(`Another originator signed, so the capsule id changed; it was ${before}.`);
  tellSealed(cli, options, options.out, sealed);
}
