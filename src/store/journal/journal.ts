import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../../lib/errors.ts';
import { type FaultPoints, noFaultPoints } from '../../lib/fault-points.ts';
import type { Write } from '../disk.ts';
import { RESTORE } from '../failure.ts';
import {
  type JournalContents,
  JournalFile,
  journalName,
  readJournalFile,
  removeJournalFile,
  removeSpare,
} from './file.ts';
import { decodeRows, encodeRecord } from './record.ts';

const OWNER_ONLY = 0o700;
/** Rows handed on at once when a journal is replayed; a row that was written again among them is handed on once. */
const REPLAYED_ROWS = 2_048;
/** Where records are put together: a full group of commits in ASCII, with room. What was never needed takes no memory. */
const SPACE_BYTES = 5 * 1_048_576;
const NAME = /^(\d{8})\.journal$/;

export interface JournalInit {
  directory: string;
  /** Number of the oldest file that still counts; null for a store that is new. */
  from: number | null;
  /** Takes the rows of whole records, some at a time, in order; before anything is appended. */
  replay: (writes: Write[]) => Promise<void>;
  /** A positive 32-bit number that no peer can guess. */
  salt: () => number;
  faults?: FaultPoints;
}

/** Groups of commits in the order of their writing, each synced by one write: what a crash leaves of what was promised. */
export class Journal {
  readonly #directory: string;
  readonly #salt: () => number;
  readonly #faults: FaultPoints;
  /** Numbers of all files, oldest first; the last is written to. */
  readonly #numbers: number[];
  readonly #space = Buffer.allocUnsafe(SPACE_BYTES);
  #file: JournalFile;
  #sequence: number;
  #keepsSpare = true;

  private constructor(init: JournalInit, numbers: number[], file: JournalFile, sequence: number) {
    this.#directory = init.directory;
    this.#salt = init.salt;
    this.#faults = init.faults ?? noFaultPoints;
    this.#numbers = numbers;
    this.#file = file;
    this.#sequence = sequence;
  }

  /** Throws `storage_failed` where something is missing that was promised, other than a last write that was never done. */
  static async open(init: JournalInit): Promise<Journal> {
    const { directory, from, salt } = init;
    await mkdir(directory, { recursive: true, mode: OWNER_ONLY });
    const found = await numbersIn(directory);
    if (from === null) {
      await removeUnused(directory, found);
      const file = await JournalFile.create(directory, { number: 1, salt: salt(), sequence: 1 });
      return new Journal(init, [1], file, 1);
    }
    const old = found.filter((number) => number < from);
    for (const number of old) await removeJournalFile(directory, number, false);
    const numbers = found.filter((number) => number >= from);
    let last: JournalContents | undefined;
    for (const [at, number] of numbers.entries()) {
      if (number !== from + at) throw damaged(directory, from + at);
      last = await replayFile(init, number, last);
    }
    if (last === undefined) throw damaged(directory, from);
    return new Journal(init, numbers, await JournalFile.reopen(directory, last), last.next);
  }

  /** Bytes in the file that is written to. */
  get size(): number {
    return this.#file.size;
  }

  get isEmpty(): boolean {
    return this.#numbers.length === 1 && this.#file.isEmpty;
  }

  /** On the disk when it resolves. Never two at once; after a failure never again. */
  async append(writes: readonly Write[]): Promise<void> {
    const record = encodeRecord(writes, this.#file.salt, this.#sequence, this.#space);
    await this.#file.append(record);
    this.#sequence++;
  }

  /** Goes on in a new file and gives its number; not while something is appended. */
  async rotate(): Promise<number> {
    const full = this.#file;
    const number = full.number + 1;
    this.#faults.hit('journal.full');
    this.#file = await JournalFile.create(this.#directory, {
      number,
      salt: this.#salt(),
      sequence: this.#sequence,
    });
    this.#numbers.push(number);
    await full.close();
    this.#faults.hit('journal.rotated');
    return number;
  }

  /** Before the last rotation: what is left of the journal takes no space that it does not use. */
  async shrink(): Promise<void> {
    this.#keepsSpare = false;
    await removeSpare(this.#directory);
  }

  /** Removes the files before one: what they hold is safe elsewhere. */
  async removeBefore(number: number): Promise<void> {
    for (let oldest = this.#numbers[0]; oldest !== undefined && oldest < number; oldest = this.#numbers[0]) {
      await removeJournalFile(this.#directory, oldest, this.#keepsSpare);
      this.#numbers.shift();
      this.#faults.hit('journal.removed');
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Hands on what a file holds. Throws where it does not follow the one before. */
async function replayFile(
  { directory, replay }: JournalInit,
  number: number,
  before: JournalContents | undefined,
): Promise<JournalContents> {
  const records = await readJournalFile(directory, number);
  if (records === undefined) throw damaged(directory, number);
  let rows = new Map<string, Write>();
  let step = records.next();
  for (; !step.done; step = records.next()) {
    for (const write of decodeRows(step.value)) rows.set(write.key, write);
    if (rows.size < REPLAYED_ROWS) continue;
    await replay([...rows.values()]);
    rows = new Map();
  }
  if (rows.size > 0) await replay([...rows.values()]);
  const contents = step.value;
  // A file is begun when all of the one before is on the disk.
  const gap = before !== undefined && before.next !== contents.sequence;
  if (gap || contents.damaged) throw damaged(directory, gap ? before.number : number);
  return contents;
}

async function numbersIn(directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await readdir(directory)) {
    const digits = NAME.exec(name)?.[1];
    if (digits !== undefined) numbers.push(Number(digits));
  }
  return numbers.sort((a, b) => a - b);
}

/** What a first start left that died before its database knew of its journal. */
async function removeUnused(directory: string, numbers: number[]): Promise<void> {
  for (const number of numbers) {
    const first = (await readJournalFile(directory, number))?.next();
    if (first?.done !== true) throw damaged(directory, number);
    await removeJournalFile(directory, number, false);
  }
}

function damaged(directory: string, number: number): MeshError {
  const file = join(directory, journalName(number));
  const message = `The journal of the store is damaged or incomplete: ${file}. ${RESTORE}`;
  return new MeshError('storage_failed', message, { file });
}
