import { SlipwayFailure } from '../schema/failures.ts';
import type { IndexEntry } from './index-entry.ts';
import { keyOf } from './index-entry.ts';
import { addTo, keepNewest, type Suite } from './suite.ts';

export interface PublishedPackage {
  package: string;
  version: string;
  architecture: string;
  component: string;
  /** Below the folder. */
  files: string[];
}

/** What a publish does to a suite. No package is in more than one of them. */
export interface Change {
  added: PublishedPackage[];
  /** Were there before, and stay; perhaps in another component. */
  unchanged: PublishedPackage[];
  /** Older versions that went. */
  removed: PublishedPackage[];
  /** Not published: older than the versions that are kept. */
  tooOld: PublishedPackage[];
}

export const NO_CHANGE: Readonly<Change> = { added: [], unchanged: [], removed: [], tooOld: [] };

/**
 * Adds packages to a component of a suite, and takes out all but the `keep` newest versions of each.
 * @throws SlipwayFailure InvalidRequest where a package of the same version has other content, or where nothing of what
 *   was to be published would remain
 */
export function changeSuite(
  suite: Suite,
  component: string,
  entries: readonly IndexEntry[],
  keep: number | undefined,
): Change {
  const { added, unchanged } = addTo(suite, component, entries);
  const gone = new Set(keep === undefined ? [] : keepNewest(suite, component, keep));
  const asked = [...added, ...unchanged.map(({ entry }) => entry)];
  if (asked.length > 0 && asked.every((entry) => gone.has(entry))) {
    throw nothingLeft(asked, suite.components.get(component) ?? [], keep);
  }
  const isNew = new Set(added);
  const here = described(component);
  return {
    added: added.filter((entry) => !gone.has(entry)).map(here),
    unchanged: unchanged
      .filter(({ entry }) => !gone.has(entry))
      .map(({ entry, component: where }) => described(where)(entry)),
    removed: [...gone].filter((entry) => !isNew.has(entry)).map(here),
    tooOld: added.filter((entry) => gone.has(entry)).map(here),
  };
}

function described(component: string): (entry: IndexEntry) => PublishedPackage {
  return ({ package: name, version, architecture, files }) => ({
    ...{ package: name, version, architecture, component },
    files: files.map(({ path }) => path),
  });
}

function nothingLeft(
  asked: readonly IndexEntry[],
  left: readonly IndexEntry[],
  keep: number | undefined,
): SlipwayFailure {
  const items = asked.map((entry) => {
    const newer = left.filter((other) => other.package === entry.package);
    const versions = [...new Set(newer.map(({ version }) => version))];
    return `${keyOf(entry)}: the newest are ${versions.join(', ')}`;
  });
  return new SlipwayFailure(
    'InvalidRequest',
    `nothing would be published: all is older than --keep ${keep} leaves`,
    {
      items,
      advice: 'Say a greater --keep, or none; or publish newer builds. Nothing was changed.',
    },
  );
}
