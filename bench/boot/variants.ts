/** One way to run a guest: what it makes of slipway's own command line. */
export interface Variant {
  name: string;
  change(argv: readonly string[]): string[];
}

const asIs: Variant = { name: 'as slipway boots', change: (argv) => [...argv] };

/** What is worth comparing under TCG; each differs from slipway's own in one thing. */
export const VARIANTS: readonly Variant[] = [
  asIs,
  ...['max', 'max,-erms,-fsrm,-smap,-smep', 'max,-erms,-fsrm,-avx2,-avx', 'qemu64', 'EPYC', 'Haswell'].map(
    (model) => of('-cpu', () => model),
  ),
  without('cryptomgr.notests'),
  without('mitigations=off'),
  without('no5lvl'),
  ...['quiet', 'nokaslr', 'tsc=reliable', 'lpj=8000000', 'clearcpuid=rep_good', 'no_timer_check'].map(told),
  ...['random.trust_cpu=on', 'audit=0 apparmor=0', '8250.nr_uarts=1'].map(told),
  told('initcall_blacklist=init_kprobe_trace,crypto_kdf108_init'),
  of('-accel', () => 'tcg,thread=single'),
  of('-accel', () => 'tcg,thread=multi,tb-size=64'),
  { ...of('-machine', (machine) => machine.replace('q35', 'pc')), name: '-machine pc' },
  of('-machine', (machine) => `${machine},hpet=off`),
  of('-smp', () => '1'),
  of('-m', () => '512M'),
  { name: '-bios qboot.rom', change: (argv) => [...argv, '-bios', 'qboot.rom'] },
  { name: 'aio=io_uring', change: (argv) => argv.map((word) => withFile(word, { aio: 'io_uring' })) },
  { name: 'no discard', change: (argv) => argv.map((word) => withFile(word, { discard: 'ignore' })) },
  { name: 'no I/O threads', change: (argv) => argv.map((word) => word.replace(/,iothread=io-\w+/, '')) },
];

/** How slipway booted before it was measured. */
export const BEFORE: Variant = {
  name: 'before: max, ciphers tested',
  change: (argv) => without('cryptomgr.notests').change(of('-cpu', () => 'max').change(argv)),
};

/** The first value of an option changed. */
function of(option: string, change: (value: string) => string): Variant {
  const replaced = (argv: readonly string[]) => {
    const at = argv.indexOf(option) + 1;
    return argv.map((word, index) => (index === at ? change(word) : word));
  };
  return { name: `${option} ${change('…')}`.replace(/…,?/, '… '), change: replaced };
}

/** A further word for the kernel. */
function told(words: string): Variant {
  return { name: words, change: of('-append', (line) => `${line} ${words}`).change };
}

function without(word: string): Variant {
  const shorter = (line: string) =>
    line
      .split(' ')
      .filter((each) => each !== word)
      .join(' ');
  return { name: `without ${word}`, change: of('-append', shorter).change };
}

/** The file of a block device with further settings. */
function withFile(word: string, more: Record<string, string>): string {
  if (!word.startsWith('{"node-name"')) return word;
  const block = JSON.parse(word);
  return JSON.stringify({ ...block, file: { ...block.file, ...more } });
}
