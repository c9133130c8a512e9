import { htmlText } from '../lib/untrusted-text.ts';
import type { NodeStatus } from './schemas/node.ts';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem;color-scheme:light dark}' +
  'dt{font-weight:600;margin-top:.75rem}dd{margin:0;overflow-wrap:anywhere}code{font-family:ui-monospace,monospace}';

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${htmlText(title)}</title><meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body><main><h1>${htmlText(title)}</h1>${body}</main></body></html>`;
}

export function statusPage(status: NodeStatus): string {
  const counts = Object.entries(status.capsules).map(([name, count]) => `${name} ${count}`);
  const rows: [string, string][] = [
    ['Node', status.nodeId],
    ['Version', status.version],
    ['Addresses', status.addresses.join(', ') || 'none'],
    ['Peers', String(status.peers)],
    ['Capabilities', status.capabilities.join(', ') || 'none'],
    ['Capsules', counts.join(', ') || 'none'],
  ];
  const list = rows.map(([name, value]) => `<dt>${htmlText(name)}</dt><dd>${htmlText(value)}</dd>`).join('');
  return page(
    'This capsule node is running',
    `<dl>${list}</dl><p>Its HTTP API is described in <a href="/openapi.json"><code>/openapi.json</code></a>; on a terminal, <code>capsule --help</code> tells the rest.</p>`,
  );
}

export function errorPage(reason: string): string {
  return page(
    'Not signed in',
    `<p>${htmlText(reason)}</p><p>Open the console address that <code>capsule start</code> printed; each address works once.</p>`,
  );
}
