import { expect, it } from 'vitest';
import { problems, validKeysOf } from '../../schema/problems.ts';
import { BuildRequest } from '../../schema/request.ts';

function problemsOf(request: unknown): string[] {
  const parsed = BuildRequest.safeParse(request);
  return parsed.success ? [] : problems(parsed.error, validKeysOf(BuildRequest));
}
const recipe = { kind: 'debian', source: { name: 'hello' } };

it('names an unknown field and the ones that are valid there, at any depth', () => {
  expect(problemsOf({ recipe, resources: { memory: '4 GiB' } })).toEqual([
    'resources.memory: unknown field; valid here: cpus, memoryMiB, diskMiB, swapMiB, filesystem',
  ]);
  const [option] = problemsOf({ recipe: { ...recipe, options: { nocheck: true } } });
  expect(option).toMatch(/^recipe\.options\.nocheck: unknown field; valid here: .*buildOptions/);
});

it('lists every problem, not the first', () => {
  expect(problemsOf({ recipe, resources: { cpus: 0, diskMiB: '1' }, limits: { logMiB: 1.5 } })).toEqual([
    expect.stringMatching(/^resources\.cpus: /),
    expect.stringMatching(/^resources\.diskMiB: /),
    expect.stringMatching(/^limits\.logMiB: /),
  ]);
});

it('of a union tells about the branch that was meant', () => {
  expect(problemsOf({ recipe: { kind: 'debian', source: { name: 'Hello World' } } })).toEqual([
    'recipe.source.name: must be a Debian source package name: lower-case letters, digits, + . -',
  ]);
});

it.each([
  [{ nam: 'hello' }, 'recipe.source.nam: unknown field; valid here: name, version, url, sha256, files'],
  [
    { name: 'hello', ulr: 'x' },
    'recipe.source.ulr: unknown field; valid here: name, version, url, sha256, files',
  ],
  [{ name: 'hello', url: 'https://mirror.example/x.dsc' }, 'recipe.source: url and name do not go together'],
  [{}, 'recipe.source: needs one of name, url, files'],
  ['hello', 'recipe.source: Invalid input: expected object, received string'],
  [undefined, 'recipe.source: is missing'],
])('says what is wrong with the source %j', (source, said) => {
  expect(problemsOf({ recipe: { kind: 'debian', source } })).toEqual([said]);
});

it('names the kinds of recipe that there are', () => {
  expect(problemsOf({ recipe: { ...recipe, kind: 'arch' } })).toEqual([
    'recipe.kind: must be "debian" or "script"',
  ]);
});

it('of a field that only another kind of recipe has does not say that it is valid', () => {
  const [said] = problemsOf({ recipe: { kind: 'script', name: 'foo', script: 'true', options: {} } });
  expect(said).toMatch(/^recipe\.options: unknown field; valid here: /);
  expect(said?.replace(/^.*valid here: /, '').split(', ')).not.toContain('options');
});

it('refuses a VM type that can never give the demanded isolation', () => {
  expect(problemsOf({ recipe, vm: { type: 'qemu', isolation: 'secure' } })).toEqual([
    expect.stringMatching(/^vm\.type: is qemu, whose isolation is emulated: less than the demanded secure/),
  ]);
  expect(problemsOf({ recipe, vm: { type: 'kvm', isolation: 'secure' } })).toEqual([]);
  expect(problemsOf({ recipe, vm: { type: 'kvm', isolation: 'emulated' } })).toEqual([]);
  expect(problemsOf({ recipe, vm: { type: 'qemu' } })).toEqual([]);
  expect(problemsOf({ recipe, vm: { type: 'container', isolation: 'emulated' } })).toEqual([
    expect.stringMatching(/^vm\.type: is container, whose isolation is shared-kernel: less than/),
  ]);
});

it.each([
  'https://me:secret@mirror.example/debian',
  'https://token@mirror.example',
  'https:me:secret@mirror.example/debian',
  'https:/me:secret@mirror.example/',
  'https:\\\\me:secret@mirror.example/',
  'https:///me:secret@mirror.example/',
])('refuses the credentials of %s, and does not repeat them', (url) => {
  const repositories = [{ uris: [url], suites: ['x'], components: ['main'] }];
  const found = problemsOf({ recipe: { ...recipe, source: { url: `${url}/x.dsc` } }, repositories });
  expect(found).toEqual([
    expect.stringMatching(/^recipe\.source\.url: must be /),
    expect.stringMatching(/^repositories\[0\]\.uris\[0\]: must be /),
  ]);
  expect(found.join()).not.toMatch(/secret|token/);
});

it.each([
  ['https://mirror.example:8080/debian/pool/@scope/x.dsc?mail=a@b', []],
  ['http://[::1]/x.dsc', []],
  [
    'https://me@mirror.example/x.dsc',
    [expect.stringMatching(/^recipe\.source\.url: must be https.* without user name and password/)],
  ],
  ['ftp://me:secret@mirror.example/x.dsc', ['recipe.source.url: must be an http or https URL']],
])('of the URL %s it says %j', (url, expected) => {
  expect(problemsOf({ recipe: { ...recipe, source: { url } } })).toEqual(expected);
});

it('says that a field is missing', () => {
  expect(problemsOf({})).toEqual(['recipe: is missing']);
});

it.each<[unknown, string]>([
  [{ recipe, resources: { cpus: 0 } }, 'resources.cpus: must be at least 1'],
  [{ recipe, resources: { cpus: 1.5 } }, 'resources.cpus: must be a whole number'],
  [{ recipe, resources: { cpus: 10_000 } }, 'resources.cpus: must be at most 256'],
  [
    { recipe, repositories: [{ uris: [], suites: ['x'], components: ['x'] }] },
    'repositories[0].uris: must have at least 1 entry',
  ],
  [{ recipe, resources: null }, 'resources: is empty: remove the key or give it keys'],
  [
    { recipe: { ...recipe, options: { debugPackages: 'yes' } } },
    'recipe.options.debugPackages: must be true or false',
  ],
])('of %j it says in plain words %s', (request, said) => {
  expect(problemsOf(request)).toEqual([said]);
});
