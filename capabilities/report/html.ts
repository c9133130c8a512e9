import MarkdownIt from 'markdown-it';

const STYLE = [
  'body{font:16px/1.6 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#1c2024;background:#fff}',
  'h1,h2,h3{line-height:1.25}h2{margin-top:2rem;border-bottom:1px solid #d8dce0;padding-bottom:.25rem}',
  'table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}',
  'th,td{border:1px solid #d8dce0;padding:.35rem .7rem;text-align:left;vertical-align:top}th{background:#f3f5f7}',
  'pre{background:#f3f5f7;padding:1rem;overflow-x:auto}p,td,li{overflow-wrap:anywhere}',
  '@media(prefers-color-scheme:dark){body{color:#e6e8ea;background:#15181b}th,pre{background:#22272b}th,td,h2{border-color:#3a4147}}',
].join('');

/** A whole page that loads and runs nothing: its policy allows its own style and no more. */
export function htmlPage(title: string, markdown: string): string {
  const renderer = new MarkdownIt('default', { html: false, linkify: false });
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${renderer.utils.escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    renderer.render(markdown).trimEnd(),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}
