import type { CommandFailed } from '../host/run.ts';
import { SlipwayFailure } from '../schema/failures.ts';

const HEADING = 'The following packages have unmet dependencies:';

/**
 * What apt could not satisfy. `who` names those dependencies that were asked for and not those of another package.
 * @throws the error itself where apt failed for another reason
 */
export function unresolvable(error: CommandFailed, what: string): SlipwayFailure {
  const unmet = unmetDependencies(error.stdout);
  const missing = [...error.stderr.matchAll(/^E: (?:Unable to locate package|Package) '?([^\s']+)'?/gm)];
  const items = [...unmet.map(({ item }) => item), ...missing.map(([, name = '']) => name)];
  if (items.length === 0) throw error;
  const reasons = [
    ...unmet.map(({ reason }) => reason),
    ...missing.map(([, name]) => `${name}: in no repository`),
  ];
  return new SlipwayFailure(
    'UnresolvableDependencies',
    `${what} cannot be satisfied from the repositories:\n${reasons.map((reason) => `  ${reason}`).join('\n')}`,
    { items: [...new Set(items)], cause: error },
  );
}

interface Unmet {
  /** `libfoo-dev (>= 3) | libbar-dev`; with the package that needs it, where that is not the one asked for. */
  item: string;
  reason: string;
}

/**
 * Reads apt's report, whose entries look so (alternatives on lines of their own, each with its reason):
 * ` builddeps:./x.dsc : Depends: a (>= 3) but it is not installable or` / `b but it is not installable`
 */
function unmetDependencies(stdout: string): Unmet[] {
  const start = stdout.indexOf(HEADING);
  if (start === -1) return [];
  const entries: { owner: string; text: string }[] = [];
  let owner = '';
  for (const line of stdout.slice(start + HEADING.length + 1).split('\n')) {
    if (!line.startsWith(' ')) break;
    const named = /^ (\S+) : (.*)$/.exec(line);
    owner = named?.[1] ?? owner;
    const text = named?.[2] ?? line.trim();
    const last = entries.at(-1);
    if (last?.text.endsWith(' or')) last.text += ` ${text}`;
    else entries.push({ owner, text });
  }
  return entries.map(({ owner: by, text }) => unmet(by, text));
}

function unmet(owner: string, text: string): Unmet {
  const [, kind = '', rest = text] = /^(\w+): (.*)$/.exec(text) ?? [];
  const alternatives = rest.split(' or ').map((each) => each.replace(/ but .*$/, ''));
  const wanted = `${kind === 'Conflicts' ? 'not ' : ''}${alternatives.join(' | ')}`;
  const direct = owner.startsWith('builddeps:');
  return {
    item: direct ? wanted : `${wanted}, needed by ${owner}`,
    reason: `${direct ? '' : `${owner} `}${text}`,
  };
}
