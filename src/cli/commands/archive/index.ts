import type { Command } from 'commander';
import type { Cli } from '../../cli.ts';
import { addReading } from './reading.ts';
import { addVerifying } from './verifying.ts';
import { addWriting } from './writing.ts';

/** Every command for `.capsule` files (archive-v0.6 "Command line"). What they do is loaded when one of them runs. */
export function addArchives(program: Command, cli: Cli): void {
  addVerifying(program, cli);
  addReading(program, cli);
  addWriting(program, cli);
}
