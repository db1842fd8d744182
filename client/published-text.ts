import type { PublishedPackage } from '../publishing/change.ts';
import type { Published } from '../publishing/publish.ts';
import { shortId } from '../workflows/names.ts';
import { printable } from './printable.ts';

/** What a publish did, for people: a line for each package, how apt reads it. */
export function publishedText(published: Published): string {
  const { folder, suites, component, architectures, key } = published;
  const { added, unchanged, removed, tooOld, skipped } = published;
  const said = (each: PublishedPackage) => `${each.package} ${each.version} ${each.architecture}`;
  const there = (each: PublishedPackage) =>
    `= ${said(each)}${each.component === component ? '' : ` (stays in the component ${each.component})`}`;
  const counts = `${added.length} added, ${unchanged.length} there before, ${removed.length} removed`;
  return printable(
    [
      `${folder}: ${suites.join(', ')}`,
      ...added.map((each) => `+ ${said(each)}`),
      ...unchanged.map(there),
      ...removed.map((each) => `- ${said(each)}`),
      ...tooOld.map((each) => `! not published: ${said(each)}: older than what --keep leaves`),
      ...skipped.map(
        ({ build, file, reason }) =>
          `! left out ${file === undefined ? '' : `${file} of `}${shortId(build)}: ${reason}`,
      ),
      counts + (tooOld.length === 0 ? '' : `, ${tooOld.length} too old`),
      '',
      key === null ? 'not signed' : `signed by ${key}; public key: ${published.keyring}`,
      ...(component === undefined
        ? []
        : [
            `sources: deb [${[`arch=${architectures.join(',')}`, ...signedBy(published)].join(' ')}] <URL of the folder> ${suites[0]} ${component}`,
          ]),
    ].join('\n'),
  );
}

function signedBy({ keyring }: Published): string[] {
  return keyring === undefined ? ['trusted=yes'] : [`signed-by=${keyring}`];
}
