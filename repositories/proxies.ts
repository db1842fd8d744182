import { run } from '../host/run.ts';

/** How this machine reaches the outside. */
export interface Proxies {
  /** Lines of apt's own configuration, for the apt of a private root. */
  apt: readonly string[];
  /** `http_proxy` and the like, in lower case. */
  environment: Readonly<Record<string, string>>;
}

const NAMES = ['http_proxy', 'https_proxy', 'no_proxy'] as const;

/**
 * The proxies of this machine: those of its apt configuration, else those of the environment (apt's own order).
 * A proxy that apt has for one host only is used by apt alone; `DIRECT` for a host is honoured by all.
 */
export async function readProxies(environment: NodeJS.ProcessEnv = process.env): Promise<Proxies> {
  const { stdout } = await run(['apt-config', 'dump']);
  const apt = stdout.split('\n').filter((line) => /^Acquire::(https?|ftp)::Proxy/i.test(line));
  return { apt, environment: proxyEnvironment(apt, environment) };
}

/** Exported for its test. */
export function proxyEnvironment(
  apt: readonly string[],
  environment: NodeJS.ProcessEnv,
): Record<string, string> {
  const settings = new Map(apt.map(setting));
  const found: Record<string, string> = {};
  for (const name of NAMES) {
    const value = environment[name] ?? environment[name.toUpperCase()];
    if (value !== undefined && value !== '') found[name] = value;
  }
  const http = settings.get('acquire::http::proxy');
  const https = settings.get('acquire::https::proxy') ?? http;
  if (http !== undefined) found.http_proxy = http;
  if (https !== undefined) found.https_proxy = https;
  for (const [name, value] of settings) {
    const host = /^acquire::https?::proxy::(.+)$/.exec(name)?.[1];
    if (host !== undefined && value === 'DIRECT') {
      found.no_proxy = found.no_proxy === undefined ? host : `${found.no_proxy},${host}`;
    }
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== 'DIRECT'));
}

/** A line of `apt-config dump`: `Acquire::http::Proxy "http://proxy:3128";`. Names are the same in any case. */
function setting(line: string): [name: string, value: string] {
  const match = /^(\S+) "(.*)";$/.exec(line);
  return [match?.[1]?.toLowerCase() ?? '', match?.[2] ?? ''];
}
