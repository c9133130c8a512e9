import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { Intent } from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';
import { fail } from '../fail.ts';
import { isJsonObject, stringOf } from '../payload.ts';
import { analysisBlocks, isAnalysis } from './analysis.ts';
import { heading, valueBlocks } from './generic.ts';
import { htmlPage } from './html.ts';

/** UTF-8 bytes of all formats together: the engine takes results of 1 MiB of canonical JSON. */
const MAX_REPORT_BYTES = 900_000;
const MAX_TITLE_CHARS = 200;

/** Markdown and HTML from a result: the same input gives the same bytes, and nothing in it becomes markup. */
export const run = actions({
  'report.create': create,
});

async function create({ payload }: Intent): Promise<JsonObject> {
  const subject = payload.analysis ?? payload.result ?? payload.data;
  if (subject === undefined)
    throw fail('invalid_payload', 'One of "analysis", "result" and "data" must be given.');
  const format = stringOf(payload, 'format') ?? 'both';
  const title = titleOf(stringOf(payload, 'title'), subject);
  const blocks = isAnalysis(subject) ? analysisBlocks(subject) : valueBlocks(subject, 2);
  const markdown = `${[heading(1, title), ...blocks].join('\n\n')}\n`;
  // Twice, since rendering what is too long already would take long.
  checkSize(markdown);
  const html = format === 'markdown' ? '' : htmlPage(title, markdown);
  checkSize(format === 'html' ? html : markdown + html);
  return { title, ...(format === 'html' ? {} : { markdown }), ...(format === 'markdown' ? {} : { html }) };
}

function checkSize(text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_REPORT_BYTES) return;
  throw fail('too_large', `The report would have ${bytes} bytes or more; ${MAX_REPORT_BYTES} are allowed.`);
}

function titleOf(asked: string | undefined, subject: JsonValue): string {
  const own = isJsonObject(subject) && typeof subject.title === 'string' ? subject.title : undefined;
  const title = (asked ?? own ?? '').replace(/\s+/g, ' ').trim().slice(0, MAX_TITLE_CHARS).toWellFormed();
  return title === '' ? 'Report' : title;
}
