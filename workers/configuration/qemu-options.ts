import { z } from 'zod';

/** Options that would take away what a guest's supervisor relies on, each with why. */
const REFUSED: Readonly<Record<string, string>> = {
  sandbox: 'the system call filter is not negotiable',
  runas: 'QEMU has its user already',
  'run-with': 'QEMU has its user already',
  chroot: 'QEMU has no right to',
  daemonize: 'the supervisor waits for the very process',
  pidfile: 'no pid is ever remembered',
  S: 'nobody would start the guest',
  'no-shutdown': 'nobody would end the guest',
  'no-reboot': 'it is said with -action already',
  action: 'how a panic is told is fixed',
  monitor: 'the supervisor alone speaks to QEMU',
  mon: 'the supervisor alone speaks to QEMU',
  qmp: 'the supervisor alone speaks to QEMU',
  'qmp-pretty': 'the supervisor alone speaks to QEMU',
  nographic: 'it takes standard input and output for itself',
  incoming: 'a guest boots, it is not resumed',
  loadvm: 'a guest boots, it is not resumed',
  snapshot: 'results would be lost with the writes',
  kernel: 'the build says which kernel',
  initrd: 'the initramfs is made for each boot',
  append: 'the kernel command line is made for each boot',
  m: 'the build says how much memory',
  smp: 'the build says how many processors',
  readconfig: 'write the options out',
  help: 'nothing would run',
  h: 'nothing would run',
  version: 'nothing would run',
};

/** Words that come after all others on QEMU's command line. */
export const QemuOptions = z
  .array(
    z
      .string()
      .min(1, 'must not be empty')
      .max(4096)
      .refine((word) => !/[\0\n]/.test(word), 'must be one word'),
  )
  .max(200)
  .superRefine((words, context) => {
    if (words[0] !== undefined && !words[0].startsWith('-')) {
      context.addIssue({
        code: 'custom',
        path: [0],
        message: 'must begin with - : the first word is an option',
      });
    }
    for (const [index, word] of words.entries()) {
      // QEMU takes -x and --x for the same.
      const name = /^--?(.+)$/.exec(word)?.[1] ?? '';
      const why = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
      if (why === undefined) continue;
      context.addIssue({ code: 'custom', path: [index], message: `${word} is refused: ${why}` });
    }
  });
