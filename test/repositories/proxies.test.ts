import { expect, test } from 'vitest';
import { proxyEnvironment } from '../../repositories/proxies.ts';

test.each([
  ['nothing', [], {}, {}],
  [
    'those of the environment',
    [],
    { HTTP_PROXY: 'http://e', no_proxy: 'a' },
    { http_proxy: 'http://e', no_proxy: 'a' },
  ],
  [
    "apt's before those of the environment, http's also for https",
    ['Acquire::http::Proxy "http://p:1";'],
    { http_proxy: 'http://e', https_proxy: 'http://s' },
    { http_proxy: 'http://p:1', https_proxy: 'http://p:1' },
  ],
  [
    'hosts that apt reaches directly',
    ['Acquire::HTTP::proxy "http://p:1";', 'Acquire::http::Proxy::near "DIRECT";'],
    { no_proxy: 'a' },
    { http_proxy: 'http://p:1', https_proxy: 'http://p:1', no_proxy: 'a,near' },
  ],
  [
    'no proxy where apt is told to use none',
    ['Acquire::http::Proxy "DIRECT";'],
    { http_proxy: 'http://e' },
    {},
  ],
])('proxies are taken: %s', (_, apt, environment, expected) => {
  expect(proxyEnvironment(apt, environment)).toEqual(expected);
});
