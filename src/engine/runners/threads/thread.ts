import { loadCode } from '../../code-loading.ts';
import { threadGuest } from './thread-guest.ts';

/* The program of a thread that runs capabilities (`thread-channel.ts`). */

threadGuest({ load: ({ code, codeHash }) => loadCode(code, codeHash) });
