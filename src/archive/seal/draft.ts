import type { Participant, SkillTier } from '../../../protocols/archive/v1/schema.ts';
import type { UnlinkedEvent } from '../chain.ts';
import { PATHS } from '../paths.ts';
import type { ArchiveDraft, FileInput } from '../types.ts';
import { demandJson, demandParticipants } from './draft-checks.ts';
import { backstopEvent, completeEvents } from './draft-events.ts';
import {
  demandExtractable,
  payloadFiles,
  programFile,
  skillFiles,
  skillTrust,
  textFile,
} from './draft-files.ts';

/** A draft that was checked, with every default written out. */
export interface CompleteDraft {
  /** Everything but the chain and the two documents about it all. */
  files: FileInput[];
  events: UnlinkedEvent[];
  participants: Participant[];
  skillTrust: Record<string, SkillTier>;
  originatorLabel: string;
}

/** Fails closed: `invalid_request` with a sentence for whatever a strict reader would not take. */
export function completeDraft(draft: ArchiveDraft, sealedAt: string): CompleteDraft {
  const { skills = [], payload = [], events = [], participants, originatorLabel = '', pith = true } = draft;
  demandParticipants(participants);
  demandJson("The originator's label", originatorLabel, 0);
  const files = [programFile(draft.program)];
  if (draft.agents !== undefined) files.push(textFile(PATHS.agents, draft.agents));
  files.push(...skillFiles(skills), ...payloadFiles(payload));
  demandExtractable(files);
  const actors = new Set(participants.map(({ actor_id: actor }) => actor));
  const completed = completeEvents(events, { actors, sealedAt, pith });
  return {
    files,
    events: completed.length > 0 ? completed : [backstopEvent(sealedAt)],
    participants,
    skillTrust: skillTrust(skills),
    originatorLabel,
  };
}
