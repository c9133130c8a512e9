import { type IncomingMessage, request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { MeshError } from './errors.ts';

export interface HttpRequest {
  method: 'GET' | 'POST';
  headers?: Readonly<Record<string, string>>;
  body?: string;
  signal: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  /** Leaving the loop closes the connection. */
  body: AsyncIterable<Uint8Array>;
}

/**
 * One request with no limit of time but its signal: the platform's `fetch` gives up where nothing comes for 300 s, and a
 * model may be loading that long. Redirects are not followed. Each request has a connection of its own.
 */
export function httpRequest(url: URL, { method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const open = url.protocol === 'https:' ? secure : plain;
    const request = open(url, { method, headers: { ...headers }, agent: false, signal });
    request.on('error', reject);
    request.on('response', (response: IncomingMessage) => {
      // What comes after the head is for whoever reads the body.
      request.off('error', reject).on('error', () => {});
      resolve({ status: response.statusCode ?? 0, body: response });
    });
    request.end(body);
  });
}

/** All of a body as text. Throws `too_large` beyond `maxBytes`. */
export async function textOf(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new MeshError('too_large', `An answer has more than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Line by line, without the ends of lines and empty lines. Throws `too_large` for a longer one. */
export async function* linesOf(body: AsyncIterable<Uint8Array>, maxChars: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? '';
    if (rest.length > maxChars) throw new MeshError('too_large', 'A line of an answer is too long.');
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  rest += decoder.decode();
  if (rest.trim() !== '') yield rest;
}
