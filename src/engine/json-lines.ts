/** Characters of one line: twice what a whole answer may have, which some servers send as one piece. */
const MAX_LINE_CHARS = 2_097_152;

/**
 * The same bytes, line by line, as far as each line is JSON; the first that is not fails the stream, without a word of
 * it. For a client that would print such a line, and go on.
 */
export function jsonLines(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = '';
  const pass = (text: string, to: TransformStreamDefaultController<Uint8Array>): void => {
    if (text.trim() === '') return;
    assertJson(text);
    to.enqueue(encoder.encode(`${text}\n`));
  };
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, to) => {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > MAX_LINE_CHARS) throw new Error('A line of the answer is too long.');
        for (const line of lines) pass(line, to);
      },
      flush: (to) => pass(rest + decoder.decode(), to),
    }),
  );
}

function assertJson(line: string): void {
  try {
    JSON.parse(line);
  } catch {
    // What the parser says quotes the line.
    throw new Error('A line of the answer is no JSON.');
  }
}
