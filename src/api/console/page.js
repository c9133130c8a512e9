/*
 * The page where a person arrives. The code stands in the address's fragment, which no server, log or referrer sees; it is exchanged
 * for a token that this tab keeps. Whatever the node tells, other nodes' labels among it, becomes text and never markup.
 */
const KEY = 'capsule-token';
const main = document.querySelector('main');
const add = (parent, name, text) => {
  const element = document.createElement(name);
  element.textContent = text;
  parent.append(element);
  return element;
};
const show = (title, ...paragraphs) => {
  main.replaceChildren();
  add(main, 'h1', title);
  for (const text of paragraphs) add(main, 'p', text);
};
const signedOut = (reason) =>
  show('Not signed in', reason, 'Open a fresh address: capsule console prints one. Each address works once.');
const exchange = async (code) => {
  const answer = await fetch('/api/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  });
  if (!answer.ok) return false;
  sessionStorage.setItem(KEY, (await answer.json()).token);
  return true;
};
const status = () => {
  const token = sessionStorage.getItem(KEY);
  return fetch('/api/node', token === null ? {} : { headers: { authorization: `Bearer ${token}` } });
};
const showNode = (node) => {
  show('This capsule node is running');
  const list = add(main, 'dl', '');
  const counts = Object.entries(node.capsules).map(([name, count]) => `${name} ${count}`);
  for (const [name, value] of [
    ['Node', node.nodeId],
    ['Version', node.version],
    ['Addresses', node.addresses.join(', ') || 'none'],
    ['Peers', String(node.peers)],
    ['Capabilities', node.capabilities.join(', ') || 'none'],
    ['Capsules', counts.join(', ') || 'none'],
  ]) {
    add(list, 'dt', name);
    add(list, 'dd', value);
  }
  add(main, 'p', 'Its HTTP API is described in /openapi.json; on a terminal, capsule --help tells the rest.');
};
const begin = async () => {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code !== null) history.replaceState(null, '', location.pathname);
  const used = code !== null && !(await exchange(code));
  const answer = await status();
  if (answer.ok) return showNode(await answer.json());
  sessionStorage.removeItem(KEY);
  signedOut(used ? 'This address was used already, or is too old.' : 'This page needs a session.');
};
const run = () =>
  begin().catch(() => show('The node does not answer', 'Is it running? Then load this page again.'));
addEventListener('hashchange', () => location.hash !== '' && run());
run();
