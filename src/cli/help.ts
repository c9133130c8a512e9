import { Command } from 'commander';

/** Help is a message, so it goes to standard error also where it was asked for (archive-v0.6 "Command line"). */
export class HelpfulCommand extends Command {
  override createCommand(name?: string): Command {
    return new HelpfulCommand(name);
  }

  override outputHelp(): void {
    super.outputHelp({ error: true });
  }
}
