import { expect, it } from 'vitest';
import { defaultConfig, loadConfig } from '../../../src/daemon/config.ts';
import { webhooksOf } from '../../../src/daemon/webhooks.ts';

const url = 'https://hooks.example.org/T0/abc';

function webhooks(headers: Record<string, string> | undefined, env: Record<string, string> = {}) {
  const { capabilities } = defaultConfig();
  const team = { url, ...(headers && { headers }) };
  return webhooksOf({ capabilities: { ...capabilities, webhooks: { team } } }, env);
}

it('takes the headers from the environment', () => {
  expect(webhooks(undefined)).toEqual(new Map([['team', { url, headers: {} }]]));
  expect(webhooks({ authorization: '$TEAM' }, { TEAM: 'Bearer s3cret' }).get('team')).toEqual({
    url,
    headers: { authorization: 'Bearer s3cret' },
  });
});

it.each([
  [{}, 'is not set'],
  [{ TEAM: '' }, 'is not set'],
  [{ TEAM: 's3cret\nx: y' }, 'cannot be sent as a header'],
])('refuses a variable that gives no header (%j), without its value', (env, problem) => {
  const refusing = () => webhooks({ authorization: '$TEAM' }, env);
  expect(refusing).toThrow(
    `The variable $TEAM, which "capabilities.webhooks.team.headers.authorization" names, ${problem}.`,
  );
  expect(refusing).not.toThrow('s3cret');
});

it.each([
  ['an address with a password', { team: { url: 'https://a:b@hooks.example.org/' } }],
  ['no address', { team: { url: 'hooks' } }],
  ['a header written out', { team: { url, headers: { authorization: 'Bearer x' } } }],
  ['a name that no payload may give', { Team: { url } }],
])('the configuration refuses %s', async (_name, value) => {
  const env = { CAPSULE_DATA: '/nowhere', CAPSULE_CAPABILITIES_WEBHOOKS: JSON.stringify(value) };
  await expect(loadConfig({ env })).rejects.toMatchObject({
    code: 'config_invalid',
    detail: { path: expect.stringContaining('capabilities.webhooks') },
  });
});

it('says where the list of hosts has gone', async () => {
  const settings = JSON.stringify({ notify: { hosts: ['hooks.example.org'] } });
  const env = { CAPSULE_DATA: '/nowhere', CAPSULE_CAPABILITIES_SETTINGS: settings };
  await expect(loadConfig({ env })).rejects.toThrow(/settings\.notify\.hosts.*capabilities\.webhooks/);
});
