/** What the three sections of an analysis hold; a model that ignores the form still gives an analysis. */
export type Analysis = { analysis: string; summary: string; keyPoints: string[]; keywords: string[] };

const MAX_POINTS = 20;
const MAX_KEYWORDS = 30;
const MAX_SUMMARY_CHARS = 2_000;

export function parseAnalysis(text: string): Analysis {
  const sections = sectionsOf(text);
  const opening = text.split(/\n\s*\n/, 1)[0] ?? text;
  return {
    analysis: text,
    summary: (sections.get('summary') ?? opening)
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, MAX_SUMMARY_CHARS)
      .toWellFormed(),
    keyPoints: items(sections.get('key points') ?? '', /\n/).slice(0, MAX_POINTS),
    keywords: items(sections.get('keywords') ?? '', /[,\n]/).slice(0, MAX_KEYWORDS),
  };
}

/** By heading in lower case; `## Summary`, `**Summary**` and `Summary:` are all headings to a model. */
function sectionsOf(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  let name: string | undefined;
  for (const line of text.split('\n')) {
    const heading = /^[#*\s]*(summary|key points|keywords)[*:\s]*$/i.exec(line)?.[1];
    if (heading !== undefined) name = heading.toLowerCase();
    else if (name !== undefined) sections.set(name, `${sections.get(name) ?? ''}${line}\n`);
  }
  return sections;
}

function items(text: string, separator: RegExp): string[] {
  return text
    .split(separator)
    .map((item) => item.replace(/^\s*(?:[-*+•]|\d+[.)])\s+/, '').trim())
    .filter((item) => item !== '');
}
