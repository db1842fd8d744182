import { z } from 'zod';

/** What is wrong with a value, each problem with the path of the field, in a person's words. */
export function problems(error: z.ZodError, validKeys: (path: readonly PropertyKey[]) => string[]): string[] {
  return error.issues.flatMap((issue) => problemsOf(issue, [], validKeys));
}

function problemsOf(
  issue: z.core.$ZodIssue,
  above: readonly PropertyKey[],
  validKeys: (path: readonly PropertyKey[]) => string[],
): string[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return unknownFields(issue.keys, path, validKeys);
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const closest = closestOf(issue.errors);
    if (closest !== undefined) return closest.flatMap((inner) => problemsOf(inner, path, validKeys));
    return noBranch(issue.errors, path, validKeys);
  }
  if (issue.code === 'invalid_union' && 'options' in issue && issue.options !== undefined) {
    return [`${joinPath(path)}: must be ${issue.options.map((one) => JSON.stringify(one)).join(' or ')}`];
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return [`${joinPath(path)}: is missing`];
  }
  return [`${joinPath(path)}: ${plainMessage(issue)}`];
}

/** The words of the schema where it has any, else zod's own as a person says them. */
function plainMessage(issue: z.core.$ZodIssue): string {
  const { message } = issue;
  if (issue.code === 'too_small' && message.startsWith('Too small')) {
    return limit('at least', issue.minimum, issue.origin);
  }
  if (issue.code === 'too_big' && message.startsWith('Too big')) {
    return limit('at most', issue.maximum, issue.origin);
  }
  if (issue.code !== 'invalid_type' || !message.startsWith('Invalid input')) return message;
  if (issue.expected === 'boolean') return 'must be true or false';
  if (issue.expected === 'int') return 'must be a whole number';
  if (!message.endsWith('received null')) return message;
  return issue.expected === 'object' ? 'is empty: remove the key or give it keys' : 'is empty';
}

function limit(least: string, value: number | bigint, origin: string): string {
  if (origin === 'string') return `must have ${least} ${value} character${Number(value) === 1 ? '' : 's'}`;
  if (origin === 'array') return `must have ${least} ${value} ${Number(value) === 1 ? 'entry' : 'entries'}`;
  return `must be ${least} ${value}`;
}

function unknownFields(
  keys: readonly string[],
  path: readonly PropertyKey[],
  validKeys: (path: readonly PropertyKey[]) => string[],
): string[] {
  // Another kind of recipe may have one of them: that it is valid there does not help here.
  const valid = validKeys(path).filter((key) => !keys.includes(key));
  const known = valid.length === 0 ? '' : `; valid here: ${valid.join(', ')}`;
  return keys.map((key) => `${joinPath([...path, key])}: unknown field${known}`);
}

/** What keeps a value from all of a union's branches: fields that none knows, or that never go together, or too few. */
function noBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  path: readonly PropertyKey[],
  validKeys: (path: readonly PropertyKey[]) => string[],
): string[] {
  const unknown = branches.map((issues) =>
    issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : [],
    ),
  );
  const everywhere = unknown[0]?.filter((key) => unknown.every((keys) => keys.includes(key))) ?? [];
  if (everywhere.length > 0) {
    return unknownFields(everywhere, path, validKeys);
  }
  const apart = [...new Set(unknown.flat())];
  if (apart.length > 0) return [`${joinPath(path)}: ${apart.join(' and ')} do not go together`];
  const first = branches.flat()[0];
  if (first?.path.length === 0) return problemsOf(first, path, validKeys);
  const needed = [...new Set(branches.flat().map((issue) => joinPath(issue.path)))];
  return [`${joinPath(path)}: needs one of ${needed.join(', ')}`];
}

/** Of a union's branches the one that came nearest: the only one that got past its own keys, or none. */
function closestOf(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  const near = branches.filter((issues) => !issues.some((issue) => issue.path.length === 0));
  return near.length === 1 ? near[0] : undefined;
}

/** `recipe.source.files[2].name`; the whole value is `(top)`. */
export function joinPath(path: readonly PropertyKey[]): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return text === '' ? '(top)' : text.replace(/^\./, '');
}

/** Looks up which keys a schema knows at a path, through whatever wraps its objects. */
export function validKeysOf(schema: z.ZodType): (path: readonly PropertyKey[]) => string[] {
  const root = z.toJSONSchema(schema, { io: 'input', reused: 'inline', unrepresentable: 'any' });
  return (path) => keysAt([root as JsonSchema], path);
}

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

function keysAt(schemas: readonly JsonSchema[], path: readonly PropertyKey[]): string[] {
  const branches = schemas.flatMap((schema) => [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]);
  const [step, ...rest] = path;
  if (step === undefined)
    return [...new Set(branches.flatMap((branch) => Object.keys(branch.properties ?? {})))];
  const next = branches.map((branch) =>
    typeof step === 'number' ? branch.items : branch.properties?.[String(step)],
  );
  return keysAt(
    next.filter((schema) => schema !== undefined),
    rest,
  );
}
