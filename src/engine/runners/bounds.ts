/* What one room and the node may send each other. Both sides keep to it; the node ends a room that does not. */

/** Characters of one message: a request body of 1 MiB, every character of it escaped. */
export const MAX_MESSAGE_CHARS = 8_388_608;
/** JSON inside each other: a result's, and the message around it. */
export const MAX_MESSAGE_DEPTH = 72;
/** Requests of one run that wait for their reply. More wait on the room's own side. */
export const MAX_OPEN_REQUESTS = 32;
/** Characters of all of them together: twice the largest. */
export const MAX_OPEN_CHARS = 16_777_216;
/** Notes of one run (progress, lines of the log) that the node has not given credit for yet. */
export const MAX_OPEN_NOTES = 64;
/** Characters of streamed text in one note. */
export const MAX_DELTA_CHARS = 65_536;
/** Characters of streamed text that one run may have waiting in its room. */
export const MAX_WAITING_CHARS = 4_194_304;
/** Lines of the log of one run that may wait in its room. */
export const MAX_WAITING_NOTES = 1_024;
export const MAX_STAGE_CHARS = 128;
export const MAX_LOG_CHARS = 1_000;
/** JSON of what goes with one line of the log. */
export const MAX_LOG_CONTEXT_CHARS = 16_384;
/** Of what a failure says for the operator's log. */
export const MAX_TRACE_CHARS = 4_096;
/** Messages about runs that have ended: some are on their way when a run is given up. */
export const MAX_STRAYS = 1_024;
/** Bytes that are signed at once: an envelope of an archive without its signers is below 1 KiB. */
export const MAX_SIGNED_BYTES = 16_384;
