import { command } from '../command.ts';
import { negation } from '../option.ts';
import { NODE } from '../options.ts';
import { findNode } from '../target.ts';

export const console = command({
  name: 'console',
  about: 'a fresh address of the console; each works once, within an hour',
  options: { open: negation('only print it'), ...NODE },
  examples: ['capsule console'],
  async run(cli, { open, ...options }) {
    const client = await findNode(cli.io, options);
    const { code, url } = await client.request('POST /api/session-codes');
    cli.answer(options, { code, url }, () => url);
    // For a person at a terminal; whoever reads a pipe opens it where they like.
    if (open && !options.json && cli.io.stdout.isTTY) cli.io.openInBrowser(url);
  },
});
