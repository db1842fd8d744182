import { appendFile, readFile, truncate } from 'node:fs/promises';
import { z } from 'zod';
import { Extraction, Measurement } from './measurement.ts';

/** What everything in a record was measured with. */
const Head = z.strictObject({
  kind: z.literal('head'),
  version: z.literal(1),
  machine: z.string(),
  vmType: z.string(),
});

/** The inputs of one package: measurements with others cannot be compared. */
const Locked = z.strictObject({ kind: z.literal('inputs'), source: z.string(), digest: z.string() });

const Line = z.discriminatedUnion('kind', [Head, Locked, Measurement, Extraction]);
type Line = z.infer<typeof Line>;

/** What was measured so far, in a file of one JSON document a line, each written as soon as it is measured. */
export class RunRecord {
  readonly file: string;
  readonly measurements: Measurement[] = [];
  extraction: Extraction | undefined;
  readonly #inputs = new Map<string, string>();

  private constructor(file: string) {
    this.file = file;
  }

  /**
   * Opens the record of a run that was cut off, or a new one. A last line that was cut off itself is cut away.
   * @throws Error where it is of another machine or VM type, or is no record
   */
  static async open(
    file: string,
    { machine, vmType }: { machine: string; vmType: string },
  ): Promise<RunRecord> {
    const record = new RunRecord(file);
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole !== text) await truncate(file, Buffer.byteLength(whole));
    const lines = parse(whole, file);
    const [head] = lines;
    if (head === undefined) {
      await record.#append({ kind: 'head', version: 1, machine, vmType });
      return record;
    }
    if (head.kind !== 'head')
      throw new Error(`${file} is no record of this benchmark: it does not begin with what it is of`);
    if (head.machine !== machine || head.vmType !== vmType)
      throw new Error(
        `${file} is of ${head.machine}, VM type ${head.vmType}; this is ${machine}, VM type ${vmType}. Begin anew, without --resume.`,
      );
    for (const line of lines) record.#take(line);
    return record;
  }

  /** @throws Error where earlier measurements are of other inputs */
  async inputs(source: string, digest: string): Promise<void> {
    const known = this.#inputs.get(source);
    if (known === digest) return;
    if (known !== undefined)
      throw new Error(
        `${this.file} has measurements of ${source} with other inputs: the repositories have changed since. Begin anew, without --resume.`,
      );
    await this.add({ kind: 'inputs', source, digest });
  }

  has(source: string, peer: Measurement['peer'], round: number): boolean {
    return this.measurements.some((one) => one.source === source && one.peer === peer && one.round === round);
  }

  async add(line: Exclude<Line, { kind: 'head' }>): Promise<void> {
    await this.#append(line);
    this.#take(line);
  }

  #take(line: Line): void {
    if (line.kind === 'build') this.measurements.push(line);
    if (line.kind === 'extraction') this.extraction = line;
    if (line.kind === 'inputs') this.#inputs.set(line.source, line.digest);
  }

  async #append(line: Line): Promise<void> {
    await appendFile(this.file, `${JSON.stringify(line)}\n`);
  }
}

function parse(text: string, file: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line, index) => {
      const parsed = Line.safeParse(json(line));
      if (parsed.success) return parsed.data;
      throw new Error(`${file}:${index + 1} is no line of a record of this benchmark`);
    });
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
