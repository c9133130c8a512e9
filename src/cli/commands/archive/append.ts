import { continueArchive } from '../../../archive/seal/continue.ts';
import { checkOutputs, writeWhole } from '../../archive-files.ts';
import type { Cli } from '../../cli.ts';
import { usage } from '../../failure.ts';
import { readText } from '../../files.ts';
import type { Values } from '../../option.ts';
import { actingParticipants, readEvents, readParticipants, sealingTime, TEXT_BYTES } from './drafts.ts';
import { readRecipients } from './keys.ts';
import { components, withOpened } from './open.ts';
import type { APPEND } from './options.ts';
import { tellSealed } from './sealed.ts';
import { readSigners } from './signers.ts';

/** Verifies an archive, appends to its history and seals the whole again (archive-v0.6 "Hydration"). */
export async function append(cli: Cli, options: Values<typeof APPEND>, file: string): Promise<void> {
  await checkOutputs([options.out], options.force);
  const events = await readEvents(cli, options.event);
  if (events.length === 0)
    throw usage('There is no event to append.', 'Give one: --event JSON, or --event @FILE');
  const participants = await readParticipants(cli, options.participant);
  const program =
    options.program === undefined ? {} : { program: await readText(cli.io, options.program, TEXT_BYTES) };
  const recipients = await readRecipients(cli.io, options.recipient);
  const sealedAt = sealingTime(options.at);
  const done = await withOpened(cli, file, options, async (opened, signal) => {
    const signers = await readSigners(cli, options);
    const acting = actingParticipants(cli, events, [...opened.manifest.participants, ...participants]);
    const additions = {
      events,
      participants: [...participants, ...acting],
      ...program,
      ...(!options.pith && { pith: false }),
    };
    const sealed = await writeWhole(options.out, options, (sink) =>
      continueArchive(components, opened, additions, { signers, sealedAt, recipients, signal }, sink),
    );
    return { sealed, before: opened.manifest.id };
  });
  if (done === undefined) return;
  const { sealed, before } = done;
  if (sealed.capsuleId !== before)
    cli.note(`Another originator signed, so the capsule id changed; it was ${before}.`);
  tellSealed(cli, options, options.out, sealed);
}
